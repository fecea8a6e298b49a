# SPDX-License-Identifier: GPL-3.0-or-later
"""The Maquette tab of the image editor's sidebar: the verbs of inpainting for the picture that is shown."""

import bpy

from .. import kinds, link, mending
from . import parts, queue, settings

MAIN = ("verb", "prompt", "mask", "preset", "seed")
MORE = ("negative_prompt", "prior", "effort", "strength", "grow", "feather", "picture")


class MAQUETTE_PT_picture(parts.PictureSidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_picture"
    bl_label = "Maquette"

    def draw(self, context):
        layout = self.layout
        problem = link.current().problem
        if problem is not None:
            parts.error(layout.box(), context, problem, mending.of_connection(problem))
        settings.draw(layout, context, MAIN)
        button = layout.row()
        button.scale_y = 1.6
        button.operator("maquette.inpaint_picture", icon="BRUSH_DATA")
        complaint = kinds.picture_complaint(context)
        if complaint:
            parts.paragraph(layout, context, complaint, icon="INFO")


class MAQUETTE_PT_picture_advanced(parts.PictureSidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_picture_advanced"
    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_picture"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings.draw(self.layout, context, MORE)


class MAQUETTE_PT_picture_jobs(parts.PictureSidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_picture_jobs"
    bl_label = "Jobs"
    bl_parent_id = "MAQUETTE_PT_picture"

    @classmethod
    def poll(cls, context):
        return any("picture" in job.options for job in link.current().jobs)

    def draw(self, context):
        for job in reversed([one for one in link.current().jobs if "picture" in one.options]):
            queue.draw_job(self.layout.box(), context, job)


CLASSES = (MAQUETTE_PT_picture, MAQUETTE_PT_picture_advanced, MAQUETTE_PT_picture_jobs)
