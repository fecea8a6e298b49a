# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of jobs: start one, cancel it, find its object, take it off the list, throw the dice."""

import random

import bpy

from .. import link, scripting, wire
from ..capture import text
from ..properties import SEED_LIMIT

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


def draw_seed() -> int:
    """A seed nobody chose, from the system's own source, so that Blender's and a script's generators stay untouched."""
    return random.SystemRandom().randrange(SEED_LIMIT)


class MAQUETTE_OT_generate(bpy.types.Operator):
    bl_idname = "maquette.generate"
    bl_label = "Generate"
    bl_description = "Make a textured object from the prompt. Blender stays usable meanwhile"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        complaint = text.complaint(context.scene.maquette)
        if complaint:
            cls.poll_message_set(complaint)
        return not complaint

    def execute(self, context):
        properties = context.scene.maquette
        if properties.randomise:
            properties.seed = draw_seed()  # stays in the field: the artist can keep what turned out well
        try:
            scripting.submit(text.spec_from(properties), properties.place)
        except wire.errors.MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_cancel(bpy.types.Operator):
    bl_idname = "maquette.cancel"
    bl_label = "Cancel"
    bl_description = "End this job. Other jobs go on"
    bl_options = {"REGISTER"}

    job: bpy.props.StringProperty(name="Job", description="Id of the job; empty for the newest", default="")

    @classmethod
    def poll(cls, context):
        if not link.current().jobs.running():
            cls.poll_message_set("No job is running")
            return False
        return True

    def execute(self, context):
        jobs = link.current().jobs
        job_id = self.job or jobs.running()[-1].id
        if jobs.get(job_id) is None:
            self.report({"ERROR"}, f"This session has no job {job_id}")
            return {"CANCELLED"}
        link.current().cancel(job_id)
        return {"FINISHED"}


class MAQUETTE_OT_show_result(bpy.types.Operator):
    bl_idname = "maquette.show_result"
    bl_label = "Select Result"
    bl_description = "Select the object that this job made"
    bl_options = {"REGISTER", "UNDO"}

    job: bpy.props.StringProperty(name="Job", description="Id of the job", default="")

    def execute(self, context):
        job = link.current().jobs.get(self.job)
        item = context.view_layer.objects.get(job.object_name) if job is not None and job.object_name else None
        if item is None:
            self.report({"WARNING"}, "The object is not in this view layer any more")
            return {"CANCELLED"}
        for other in context.selected_objects:
            other.select_set(False)
        item.select_set(True)
        context.view_layer.objects.active = item
        return {"FINISHED"}


class MAQUETTE_OT_forget(bpy.types.Operator):
    bl_idname = "maquette.forget"
    bl_label = "Remove from List"
    bl_description = "Take this ended job off the list. Its object stays"
    bl_options = {"REGISTER"}

    job: bpy.props.StringProperty(name="Job", description="Id of the job", default="")

    def execute(self, context):
        link.current().jobs.forget(self.job)
        return {"FINISHED"}


class MAQUETTE_OT_dice(bpy.types.Operator):
    bl_idname = "maquette.dice"
    bl_label = "New Seed"
    bl_description = "Draw another seed"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        context.scene.maquette.seed = draw_seed()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_generate, MAQUETTE_OT_cancel, MAQUETTE_OT_show_result, MAQUETTE_OT_forget, MAQUETTE_OT_dice)
