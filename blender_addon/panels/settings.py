# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws settings of a job by their names: most as a plain property, some with what belongs to them beside."""

from .. import compat, identities, words
from ..capture import text
from . import parts

PLACEHOLDER = "a red mushroom with white spots"
IN_ROWS = ("verb", "subject")
"""Choices of a few words that are shown all at once."""


def draw(layout, context, names) -> None:
    """Draw these settings of `scene.maquette`, in order."""
    properties = context.scene.maquette
    column = None
    for name in names:
        if name == "prompt" and "verb" in names and properties.verb == "remove":
            continue  # what surrounds it goes on; no words are needed
        if name == "noun" and properties.subject != "object":
            continue
        if name in SPECIAL:
            column = None
            SPECIAL[name](layout, context, properties)
        elif name in IN_ROWS:
            column = None
            layout.row(align=True).prop(properties, name, expand=True)
        elif name == "motion" and name == names[0]:  # it is what the whole job is about
            layout.prop(properties, name, text="", icon="ANIM")
        else:
            column = column or parts.form(layout)
            if name in IN_FORM:
                IN_FORM[name](column, properties, name)
            else:
                column.prop(properties, name)


def draw_prompt(layout, context, properties) -> None:
    """The prompt: a box of several lines, a field, or a text block; and the learned words that it says."""
    block = properties.prompt_text
    if block is not None or not compat.prompt_box(layout, properties, "prompt", words.say(PLACEHOLDER)):
        row = layout.row(align=True)
        if block is None:
            row.prop(properties, "prompt", text="", icon="OUTLINER_OB_FONT")
            row.operator("maquette.prompt_block", text="", icon="TEXT")
            if len(properties.prompt) > 30:
                parts.as_it_is(layout, context, properties.prompt, indent=2)
        else:
            row.template_ID(properties, "prompt_text", unlink="maquette.prompt_field")
            sentence = text.prompt_of(properties)
            if sentence:
                parts.as_it_is(layout, context, sentence, indent=2)
    spoken = identities.mine().spoken(text.prompt_of(properties))
    if spoken:
        said = words.say("Learned words: {words}", words=", ".join(one.word for one in spoken))
        layout.label(text=said, icon="BOOKMARKS", translate=False)


def draw_seed(column, properties, name) -> None:
    row = column.row(align=True)
    row.prop(properties, "seed")
    row.prop(properties, "randomise", text="", icon="LOCKED" if not properties.randomise else "UNLOCKED",
             invert_checkbox=True)
    row.operator("maquette.dice", text="", icon="FILE_REFRESH")


def draw_prior(column, properties, name) -> None:
    row = column.row(align=True)
    row.prop(properties, "prior")
    row.operator("maquette.browse_prior", text="", icon="FILEBROWSER")


def draw_selection(layout, context, properties) -> None:
    """How the selection is given, and what helps to make it."""
    column = parts.form(layout)
    column.prop(properties, "selection")
    item = context.object
    if properties.selection == "GROUP" and item is not None and item.type == "MESH":
        column.prop_search(properties, "vertex_group", item, "vertex_groups")
    elif properties.selection == "MASK":
        draw_mask(layout, context, properties)
    elif properties.selection == "FACES":
        layout.operator("maquette.click", icon="RESTRICT_SELECT_OFF")


def draw_mask(layout, context, properties) -> None:
    row = parts.form(layout).row(align=True)
    row.prop(properties, "mask")
    row.operator("maquette.new_mask", text="", icon="ADD")
    if context.area is not None and context.area.type == "IMAGE_EDITOR":
        layout.operator("maquette.click_picture", icon="RESTRICT_SELECT_OFF")


def draw_picture(layout, context, properties) -> None:
    """The picture of a style, and how much it has to say where there is one."""
    layout.label(text=words.say("Style"), translate=False)
    layout.template_ID(properties, "picture", open="image.open")
    if properties.picture is not None:
        parts.form(layout).prop(properties, "style_scale")


def draw_pictures(layout, context, properties) -> None:
    """The pictures that a word is learned from, and the words that there are."""
    count = len(properties.pictures)
    label = words.say("{count} pictures", count=count) if count else words.say("Choose Pictures")
    layout.operator("maquette.choose_pictures", text=label, icon="FILE_IMAGE", translate=False)
    for one in identities.mine().all():
        row = layout.row(align=True)
        row.label(text=f"{one.word} ({one.noun})" if one.noun else one.word, icon="BOOKMARKS", translate=False)
        row.operator("maquette.say_word", text="", icon="OUTLINER_OB_FONT").word = one.word
        row.operator("maquette.forget_word", text="", icon="TRASH").word = one.word


def draw_markers(layout, context, properties) -> None:
    layout.operator("maquette.place_markers", icon="EMPTY_AXIS")


def draw_bone_map(layout, context, properties) -> None:
    """Which bone plays which part, and what may be done with the armature's Action."""
    row = layout.row(align=True)
    row.operator_menu_enum("maquette.bone_map", "name", icon="BONE_DATA")
    row.operator("maquette.save_bone_map", text="", icon="ADD")
    row = layout.row(align=True)
    row.operator("maquette.use_as_clip", icon="ACTION")
    row.operator("maquette.to_strip", icon="NLA")


SPECIAL = {
    "prompt": draw_prompt, "selection": draw_selection, "mask": draw_mask, "picture": draw_picture,
    "pictures": draw_pictures, "markers": draw_markers, "bone_map": draw_bone_map,
}
"""Settings that are more than a field."""
IN_FORM = {"seed": draw_seed, "prior": draw_prior}
"""Fields with buttons beside them."""
