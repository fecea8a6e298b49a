# SPDX-License-Identifier: GPL-3.0-or-later
"""Maquette inside Blender: a sentence becomes a textured mesh in the scene, made by a hub on this machine or another.

Registration, and the names that scripts use: `maquette.generate(...)`, see `scripting`. What differs between versions
of Blender is in `compat`.
"""

from typing import Any

# Blender before 4.2, and "install as legacy add-on" after it, read this; an extension's manifest goes before it.
bl_info = {
    "name": "Maquette",
    "author": "Maquette project",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D Viewport > Sidebar > Maquette",
    "description": "Generate models and textures on your own GPU server",
    "category": "3D View",
}

SCRIPTING = (
    "Handle", "generate", "variations", "texture", "edit", "inpaint", "remove", "segment", "learn", "learned", "avatar",
    "rig", "animate", "submit", "again", "bring", "take_up", "batch_file",
)
"""What scripts find at the top of the package; loaded when first asked for, because it needs Blender."""


def __getattr__(name: str) -> Any:
    if name in SCRIPTING:
        from . import scripting

        return getattr(scripting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *SCRIPTING})  # so that a console's completion finds them


def _classes():  # type: ignore[no-untyped-def]
    from . import operators, panels, preferences, properties

    return (*preferences.CLASSES, *properties.CLASSES, *operators.CLASSES, *panels.CLASSES)


def register() -> None:
    import bpy

    from . import batch, bundled, filemark, properties, thumbnails, ticking, translations
    from .panels import connection

    bundled.provide()  # before anybody else asks for packages of these names
    translations.register(__name__)
    for cls in _classes():
        bpy.utils.register_class(translations.claim(cls))
    properties.register()
    thumbnails.register()
    filemark.register()
    ticking.register()
    connection.register()
    batch.register()


def unregister() -> None:
    import bpy

    from . import batch, filemark, installation, properties, thumbnails, ticking, translations
    from .panels import connection

    batch.unregister()
    connection.unregister()
    ticking.unregister()
    installation.stop()
    filemark.unregister()
    thumbnails.unregister()
    properties.unregister()
    for cls in reversed(_classes()):
        bpy.utils.unregister_class(cls)
    translations.unregister(__name__)
