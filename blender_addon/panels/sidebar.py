# SPDX-License-Identifier: GPL-3.0-or-later
"""The Maquette tab of the 3D viewport's sidebar, first part: what to make, where, and the button."""

import bpy

from .. import compat, connection, kinds, link, mending, words
from ..capture import text
from ..history import estimate
from . import parts

PLACEHOLDER = "a red mushroom with white spots"


class MAQUETTE_PT_main(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_main"
    bl_label = "Maquette"

    def draw(self, context):
        layout = self.layout
        properties = context.scene.maquette
        problem = link.current().problem
        if problem is not None:
            parts.error(layout.box(), context, problem, mending.of_connection(problem))
        known = kinds.offered()
        if len(known) > 1:
            layout.row(align=True).prop(properties, "kind", expand=len(known) <= 3)
        kind = kinds.chosen(properties)
        draw_prompt(layout, context, properties)
        if kind.uses_picture:
            layout.template_ID(properties, "picture", open="image.open")

        column = parts.form(layout)
        for name in ("preset", "size_metres", "place"):
            if name in kind.settings:
                column.prop(properties, name)
        if "seed" in kind.settings:
            row = column.row(align=True)
            row.prop(properties, "seed")
            row.prop(properties, "randomise", text="", icon="LOCKED" if not properties.randomise else "UNLOCKED",
                     invert_checkbox=True)
            row.operator("maquette.dice", text="", icon="FILE_REFRESH")

        complaint = kinds.complaint(context)
        button = layout.row()
        button.scale_y = 1.6
        button.operator("maquette.generate", text=kind.label, icon=kind.icon)
        if complaint:
            parts.paragraph(layout, context, complaint, icon="INFO")
        else:
            layout.label(text=expected(kind, context), icon="TIME", translate=False)


def draw_prompt(layout, context, properties) -> None:
    """The prompt: a box of several lines, a field, or a text block."""
    block = properties.prompt_text
    if block is None and compat.prompt_box(layout, properties, "prompt", words.say(PLACEHOLDER)):
        return
    row = layout.row(align=True)
    if block is None:
        row.prop(properties, "prompt", text="", icon="OUTLINER_OB_FONT")
        row.operator("maquette.prompt_block", text="", icon="TEXT")
        if len(properties.prompt) > 30:
            parts.paragraph(layout, context, properties.prompt, indent=2)
    else:
        row.template_ID(properties, "prompt_text", unlink="maquette.prompt_field")
        sentence = text.prompt_of(properties)
        if sentence:
            parts.paragraph(layout, context, sentence, indent=2)


def expected(kind, context) -> str:
    """How long a job with these settings takes, from what earlier ones took at this hub."""
    properties = context.scene.maquette
    spec = {"preset": properties.preset, "prior": properties.prior.strip(), "effort": properties.effort}
    seconds = estimate(link.current().history, connection.hub_key(), kind.kind, spec)
    if seconds is None:
        return words.say("Not measured here yet")
    return words.say("About {time}", time=words.duration(seconds))


class MAQUETTE_PT_advanced(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_advanced"
    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        properties = context.scene.maquette
        settings = kinds.chosen(properties).settings
        column = parts.form(self.layout)
        if "negative_prompt" in settings:
            column.prop(properties, "negative_prompt")
        if "prior" in settings:
            row = column.row(align=True)
            row.prop(properties, "prior")
            row.operator("maquette.browse_prior", text="", icon="FILEBROWSER")
        for name in ("effort", "texture_size", "uvs"):
            if name in settings:
                column.prop(properties, name)
        if "place" in settings:
            column.prop(properties, "object_name")
            column.prop(properties, "collection")


class MAQUETTE_PT_cameras(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_cameras"
    bl_label = "Cameras"
    bl_parent_id = "MAQUETTE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        properties = context.scene.maquette
        column = parts.form(layout)
        if kinds.chosen(properties).uses_rig:
            column.prop(properties, "rig")
            if properties.rig == "COLLECTION":
                column.prop(properties, "rig_collection")
        else:
            parts.paragraph(layout, context, "This kind of work chooses its own views", icon="INFO")
        column = parts.form(layout)
        column.prop(properties, "rig_count")
        column.prop(properties, "rig_elevation")
        grid = layout.grid_flow(columns=2, even_columns=True, align=True)
        for arrangement, label in (
            ("RING", "Ring"), ("HEMISPHERE", "Hemisphere"), ("BOX", "Box"), ("VIEW", "From View"),
        ):
            grid.operator("maquette.place_cameras", text=label, icon="CAMERA_DATA").arrangement = arrangement


CLASSES = (MAQUETTE_PT_main, MAQUETTE_PT_advanced, MAQUETTE_PT_cameras)
