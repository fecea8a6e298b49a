# SPDX-License-Identifier: GPL-3.0-or-later
"""The Maquette tab of the 3D viewport's sidebar: prompt, place, Generate; the jobs; the connection."""

import textwrap

import bpy

from .. import compat, link, words
from ..capture import text

STATE_ICONS = {
    link.State.OFF: "UNLINKED",
    link.State.STARTING: "TIME",
    link.State.CONNECTING: "TIME",
    link.State.CONNECTED: "LINKED",
    link.State.PROBLEM: "ERROR",
}
JOB_ICONS = {"DONE": "CHECKMARK", "FAILED": "ERROR", "CANCELLED": "X"}
PIXELS_A_LETTER = 7.0
"""Width of a letter at a resolution scale of 1, a little generous, so that wrapped lines are not cut."""


def paragraph(layout, context, sentence: str, icon: str = "NONE") -> None:
    """Text over as many lines as the sidebar's width asks for; Blender's labels do not wrap."""
    width = context.region.width / (PIXELS_A_LETTER * context.preferences.system.ui_scale) if context.region else 40.0
    column = layout.column(align=True)
    for index, line in enumerate(textwrap.wrap(sentence, max(int(width) - 10, 14))):
        column.label(text=line, icon=icon if index == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


class MAQUETTE_PT_main(_Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_main"
    bl_label = "Maquette"

    def draw(self, context):
        layout = self.layout
        properties = context.scene.maquette
        column = layout.column()
        if hasattr(layout, "textbox"):  # 5.2: several lines
            column.textbox(properties, "prompt", initial_visible_lines=3, placeholder="a red mushroom with white spots")
        else:
            column.label(text="Prompt")
            column.prop(properties, "prompt", text="")

        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(properties, "preset")
        column.prop(properties, "size_metres")
        column.prop(properties, "place")
        row = column.row(align=True)
        row.prop(properties, "seed")
        row.operator("maquette.dice", text="", icon="FILE_REFRESH")
        column.prop(properties, "randomise")

        complaint = text.complaint(properties)
        button = layout.row()
        button.scale_y = 1.5
        button.operator("maquette.generate", icon="MESH_MONKEY")
        if complaint:
            paragraph(layout, context, complaint, icon="INFO")


class MAQUETTE_PT_advanced(_Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_advanced"
    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        properties = context.scene.maquette
        column = self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        for name in ("negative_prompt", "prior", "effort", "texture_size"):
            column.prop(properties, name)


class MAQUETTE_PT_jobs(_Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_jobs"
    bl_label = "Jobs"
    bl_parent_id = "MAQUETTE_PT_main"

    @classmethod
    def poll(cls, context):
        return len(link.current().jobs) > 0

    def draw(self, context):
        for job in reversed(list(link.current().jobs)):
            draw_job(self.layout.box(), context, job)


def draw_job(box, context, job) -> None:
    """One job: its prompt, then what it does, made, or died of."""
    row = box.row()
    row.label(text=job.spec.prompt, icon=JOB_ICONS.get(job.state, "SORTTIME"))
    if not job.over:
        row.operator("maquette.cancel", text="", icon="CANCEL").job = job.id
        compat.progress_bar(box, job.fraction, words.progress(job))
    else:
        if job.object_name:
            row.operator("maquette.show_result", text="", icon="RESTRICT_SELECT_OFF").job = job.id
        row.operator("maquette.forget", text="", icon="X").job = job.id
    if job.state == "FAILED" and job.error is not None:
        message, hint = words.problem(job.error)
        paragraph(box, context, message)
        if hint:
            paragraph(box, context, hint, icon="INFO")
    for warning in job.warnings:
        paragraph(box, context, warning, icon="INFO")
    if job.nearest_known and not any(job.nearest_known[0] in warning for warning in job.warnings):
        paragraph(box, context, f"Not in what this prior knows. Nearest: {', '.join(job.nearest_known)}", icon="INFO")


class MAQUETTE_PT_connection(_Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_connection"
    bl_label = "Connection"
    bl_parent_id = "MAQUETTE_PT_main"

    def draw(self, context):
        layout = self.layout
        current = link.current()
        row = layout.row()
        row.label(text=current.state.value.capitalize(), icon=STATE_ICONS[current.state])
        idle = current.state in (link.State.OFF, link.State.PROBLEM)
        if not idle:
            row.operator("maquette.disconnect", text="", icon="X")
        if current.problem is not None:
            message, hint = words.problem(current.problem)
            paragraph(layout, context, message)
            if hint:
                paragraph(layout, context, hint, icon="INFO")
        if idle:
            layout.operator("maquette.connect")


CLASSES = (MAQUETTE_PT_main, MAQUETTE_PT_advanced, MAQUETTE_PT_jobs, MAQUETTE_PT_connection)
