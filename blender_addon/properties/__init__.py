# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel edits, saved with the scene: one property group at `scene.maquette`, a part of it in each module here.

The names are those of the job's spec on the wire, so that what an artist reads in a tooltip, a script and a report is
one word. What one may choose from stands before the setting: (word on the wire or of the panel, name, description).
Running jobs are not kept here: they belong to the session, not to the file.
"""

import bpy

from .figures import Figures
from .making import Making
from .pieces import MaquettePicture, Pieces

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


class MaquetteProperties(Making, Pieces, Figures, bpy.types.PropertyGroup):
    """All settings of the panel."""


class MaquetteView(bpy.types.PropertyGroup):
    """How the panel looks: belongs to the session, is not saved."""

    search: bpy.props.StringProperty(
        name="Search",
        description="Show only what has these letters in its prompt",
        default="",
        options={"TEXTEDIT_UPDATE", "SKIP_SAVE"},
    )
    page: bpy.props.IntProperty(name="Page", default=0, min=0, options={"SKIP_SAVE"})


CLASSES = (MaquettePicture, MaquetteProperties, MaquetteView)


def register() -> None:
    bpy.types.Scene.maquette = bpy.props.PointerProperty(type=MaquetteProperties)
    bpy.types.WindowManager.maquette = bpy.props.PointerProperty(type=MaquetteView)


def unregister() -> None:
    del bpy.types.WindowManager.maquette
    del bpy.types.Scene.maquette
