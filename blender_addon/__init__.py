# SPDX-License-Identifier: GPL-3.0-or-later
"""Maquette inside Blender: a sentence becomes a textured mesh in the scene, made by a hub on this machine or another.

Only registration is here. Scripts start at `scripting`; what differs between versions of Blender is in `compat`.
"""

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


def _classes():  # type: ignore[no-untyped-def]
    from . import operators, panels, preferences, properties

    return (*preferences.CLASSES, *properties.CLASSES, *operators.CLASSES, *panels.CLASSES)


def register() -> None:
    import bpy

    from . import filemark, properties, thumbnails, ticking
    from .panels import connection

    for cls in _classes():
        bpy.utils.register_class(cls)
    properties.register()
    thumbnails.register()
    filemark.register()
    ticking.register()
    connection.register()


def unregister() -> None:
    import bpy

    from . import filemark, installation, properties, thumbnails, ticking
    from .panels import connection

    connection.unregister()
    ticking.unregister()
    installation.stop()
    filemark.unregister()
    thumbnails.unregister()
    properties.unregister()
    for cls in reversed(_classes()):
        bpy.utils.unregister_class(cls)
