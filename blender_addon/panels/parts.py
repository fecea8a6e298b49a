# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels have in common: wrapped text, errors with the buttons that mend them."""

import textwrap

from .. import words

PIXELS_A_LETTER = 6.8
"""Width of a letter at a resolution scale of 1, a little generous, so that wrapped lines are not cut."""

PICTURE_SHARE = 0.3
"""Of the sidebar's width, for a picture."""


class Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


class PictureSidebar:
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Maquette"


def paragraph(layout, context, sentence: str, icon: str = "NONE", indent: int = 4) -> None:
    """Text over as many lines as the sidebar's width asks for; Blender's labels do not wrap.

    indent: letters that are taken up by what stands left of it.
    """
    width = context.region.width / (PIXELS_A_LETTER * context.preferences.system.ui_scale) if context.region else 40.0
    room = int(width) - indent - (4 if icon != "NONE" else 0)
    column = layout.column(align=True)
    column.scale_y = 0.8
    for index, line in enumerate(textwrap.wrap(words.say(sentence), max(room, 14))):
        column.label(text=line, icon=icon if index == 0 else ("BLANK1" if icon != "NONE" else "NONE"), translate=False)


def error(layout, context, problem: Exception, remedies, indent: int = 5) -> None:
    """What happened, what to do, and the buttons that do it."""
    message, hint = words.problem(problem)
    paragraph(layout, context, message, icon="ERROR", indent=indent)
    if hint:
        paragraph(layout, context, hint, icon="INFO", indent=indent)
    column = layout.column(align=True)
    for remedy in remedies:
        button = column.operator(remedy.operator, icon=remedy.icon)
        for name, value in remedy.properties.items():
            setattr(button, name, value)


def form(layout):
    """A column of settings, names on the left."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def beside_picture(box, icon: int, scale: float):
    """A column for text, with a picture on its left where there is one (icon: its number, 0 for none)."""
    if not icon:
        return box.column(align=True)
    split = box.split(factor=PICTURE_SHARE)
    split.column().template_icon(icon, scale=scale)
    return split.column(align=True)
