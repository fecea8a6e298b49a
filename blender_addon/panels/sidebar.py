# SPDX-License-Identifier: GPL-3.0-or-later
"""The Maquette tab of the 3D viewport's sidebar, first part: what to make, where, and the button."""

import bpy

from .. import connection, kinds, link, mending, words
from ..apply import variations
from ..history import estimate
from ..operators import cameras
from . import parts, settings


class MAQUETTE_PT_main(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_main"
    bl_label = "Maquette"

    def draw(self, context):
        layout = self.layout
        properties = context.scene.maquette
        problem = link.current().problem
        if problem is not None:
            parts.error(layout.box(), context, problem, mending.of_connection(problem))
        if len(kinds.offered()) > 1:
            layout.prop(properties, "kind", text="")
        kind = kinds.chosen(properties)
        settings.draw(layout, context, kind.settings)
        complaint = kinds.complaint(context)
        button = layout.row()
        button.scale_y = 1.6
        # Blender translates a button's text in another context than the switch's, sometimes to another word.
        button.operator("maquette.generate", text=words.say(kind.label), icon=kind.icon, translate=False)
        if complaint:
            parts.paragraph(layout, context, complaint, icon="INFO")
        else:
            layout.label(text=expected(kind, context), icon="TIME", translate=False)
        if variations.siblings(context.object):
            layout.operator("maquette.keep_variation", icon="CHECKMARK")


def expected(kind, context) -> str:
    """How long a job with these settings takes, from what earlier ones took at this hub."""
    properties = context.scene.maquette
    shown = {*kind.settings, *kind.more}
    spec = {
        "preset": properties.preset if "preset" in shown else "", "prior": properties.prior.strip(),
        "effort": properties.effort if "effort" in shown else 1.0,
    }
    seconds = estimate(link.current().history, connection.hub_key(), kind.kind, spec)
    if seconds is None:
        return words.say("No estimate yet")
    return words.say("About {time}", time=words.duration(seconds))


class MAQUETTE_PT_advanced(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_advanced"
    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings.draw(self.layout, context, kinds.chosen(context.scene.maquette).more)


class MAQUETTE_PT_cameras(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_cameras"
    bl_label = "Cameras"
    bl_parent_id = "MAQUETTE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return kinds.chosen(context.scene.maquette).uses_rig

    def draw(self, context):
        layout = self.layout
        properties = context.scene.maquette
        column = parts.form(layout)
        column.prop(properties, "rig")
        if properties.rig == "COLLECTION":
            column.prop(properties, "rig_collection")
        column = parts.form(layout)
        column.prop(properties, "rig_count")
        column.prop(properties, "rig_elevation")
        grid = layout.grid_flow(columns=2, even_columns=True, align=True)
        for arrangement, label, _ in cameras.ARRANGEMENTS:
            grid.operator("maquette.place_cameras", text=label, icon="CAMERA_DATA").arrangement = arrangement


CLASSES = (MAQUETTE_PT_main, MAQUETTE_PT_advanced, MAQUETTE_PT_cameras)
