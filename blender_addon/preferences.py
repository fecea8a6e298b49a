# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to the artist's machine rather than to a scene: where the backend is, and how results arrive.

`settings()` also works where the add-on was registered without being enabled (scripts, tests): it then gives the
defaults, so that no caller needs to ask.
"""

import bpy

from . import __package__ as base_package

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


class MaquettePreferences(bpy.types.AddonPreferences):
    bl_idname = base_package

    address: bpy.props.StringProperty(
        name="Hub",
        description="Address of a hub on this machine or in the studio, as host:port. Empty: the add-on starts its own",
        default="",
    )
    python: bpy.props.StringProperty(
        name="Python",
        description="The Python that has Maquette's backend installed; used to start the hub of this machine",
        subtype="FILE_PATH",
        default="",
    )
    show_preview: bpy.props.BoolProperty(
        name="Rough Mesh While Working",
        description="Show the object while it takes shape. The finished object replaces it",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "address")
        row = layout.row()
        row.active = not self.address.strip()
        row.prop(self, "python")
        layout.prop(self, "show_preview")


class _Defaults:
    """The preferences of an add-on that is registered but not enabled."""

    address = ""
    python = ""
    show_preview = True


def settings() -> "MaquettePreferences | _Defaults":
    """The preferences; the defaults where there are none."""
    addon = bpy.context.preferences.addons.get(base_package)
    found = addon.preferences if addon is not None else None
    return found if found is not None else _Defaults()


CLASSES = (MaquettePreferences,)
