# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels have in common: wrapped text, errors with the buttons that mend them."""

import unicodedata

from .. import words

PIXELS_A_LETTER = 7.3
"""Width of a letter at a resolution scale of 1, a little generous, so that wrapped lines are not cut; a Chinese one
counts as two."""

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
    """One of our sentences over as many lines as the sidebar's width asks for; Blender's labels do not wrap.

    indent: letters that are taken up by what stands left of it.
    """
    as_it_is(layout, context, words.say(sentence), icon, indent)


def as_it_is(layout, context, text: str, icon: str = "NONE", indent: int = 4) -> None:
    """The same for what the artist has written."""
    width = context.region.width / (PIXELS_A_LETTER * context.preferences.system.ui_scale) if context.region else 40.0
    room = int(width) - indent - (4 if icon != "NONE" else 0)
    column = layout.column(align=True)
    column.scale_y = 0.8
    for index, line in enumerate(wrapped(text, max(room, 14))):
        column.label(text=line, icon=icon if index == 0 else ("BLANK1" if icon != "NONE" else "NONE"), translate=False)


def wrapped(text: str, room: int) -> list[str]:
    """Lines of at most so many letters, broken between words, and anywhere in scripts that have none."""
    lines, line, used = [], "", 0
    for piece in pieces(text):
        width = sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in piece.rstrip())
        if line and used + width > room:
            lines.append(line.rstrip())
            line, used = "", 0
        line += piece
        used = sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in line)
    return [*lines, line.rstrip()] if line.strip() else lines


def pieces(text: str) -> list[str]:
    """What may not be broken: a word with the spaces and commas behind it, or one wide letter."""
    found = [""]
    for letter in " ".join(text.split()):
        wide = unicodedata.east_asian_width(letter) in "WF"
        mark = unicodedata.category(letter).startswith("P")
        ended = found[-1].endswith(" ") or found[-1] and unicodedata.east_asian_width(found[-1][-1]) in "WF"
        if found[-1] and not mark and letter != " " and (wide or ended):
            found.append("")
        found[-1] += letter
    return found


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
