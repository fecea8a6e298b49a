# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the queue: cancel, pause, go on, try again, find the object, take off the list."""

import bpy

from .. import compat, link, scripting, words
from ..declared import Guarded, OfJob

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


class OfThisSession(OfJob):
    """An operator that does something about a job of the list; what is `act`."""

    def act(self, current):
        raise NotImplementedError

    def execute(self, context):
        if link.current().jobs.get(self.job) is None:
            self.report({"ERROR"}, words.say(f"This session has no job {self.job}"))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        self.act(link.current())
        return {"FINISHED"}


class MAQUETTE_OT_cancel(Guarded, OfThisSession, bpy.types.Operator):
    bl_idname = "maquette.cancel"
    bl_label = "Cancel"
    bl_description = "End this job. Other jobs go on"
    bl_options = {"REGISTER"}

    @classmethod
    def complaint(cls, context):
        return "" if link.current().jobs.running() else "No job is running"

    def execute(self, context):
        self.job = self.job or link.current().jobs.running()[-1].id
        return super().execute(context)

    def act(self, current):
        current.cancel(self.job)


class MAQUETTE_OT_pause(OfThisSession, bpy.types.Operator):
    bl_idname = "maquette.pause"
    bl_label = "Pause"
    bl_description = "Let this job rest, so that others get their turn. It keeps what it has done"
    bl_options = {"REGISTER"}

    def act(self, current):
        current.pause(self.job)


class MAQUETTE_OT_resume(OfThisSession, bpy.types.Operator):
    bl_idname = "maquette.resume"
    bl_label = "Continue"
    bl_description = "Let this job go on where it paused"
    bl_options = {"REGISTER"}

    def act(self, current):
        current.resume(self.job)


class MAQUETTE_OT_retry(OfJob, bpy.types.Operator):
    bl_idname = "maquette.retry"
    bl_label = "Try Again"
    bl_description = "Ask for the same once more: same prompt, same settings, same seed"
    bl_options = {"REGISTER"}

    def execute(self, context):
        def again():
            scripting.again(self.job)
            link.current().jobs.forget(self.job)

        return self.attempt(again)


class MAQUETTE_OT_show_result(OfJob, bpy.types.Operator):
    bl_idname = "maquette.show_result"
    bl_label = "Select Result"
    bl_description = "Select the object that this job made, or show its picture in the Image Editor"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        record = link.current().history.get(self.job)
        job = link.current().jobs.get(self.job)
        name = (job.object_name if job is not None else "") or (record.object_name if record is not None else "")
        item = context.view_layer.objects.get(name) if name else None
        if item is None and compat.show_image(None, bpy.data.images.get(name) if name else None):
            return {"FINISHED"}
        if item is None:
            self.report({"WARNING"}, words.say("The object is not in this view layer any more"))
            return {"CANCELLED"}
        for other in context.selected_objects:
            other.select_set(False)
        item.select_set(True)
        context.view_layer.objects.active = item
        return {"FINISHED"}


class MAQUETTE_OT_forget(OfJob, bpy.types.Operator):
    bl_idname = "maquette.forget"
    bl_label = "Remove from List"
    bl_description = "Take this ended job off the list. Its object stays, and so does its place in the history"
    bl_options = {"REGISTER"}

    def execute(self, context):
        link.current().jobs.forget(self.job)
        return {"FINISHED"}


class MAQUETTE_OT_forget_ended(bpy.types.Operator):
    bl_idname = "maquette.forget_ended"
    bl_label = "Clear List"
    bl_description = "Take all ended jobs off the list. Their objects stay, and so do their places in the history"
    bl_options = {"REGISTER"}

    def execute(self, context):
        for job in link.current().jobs:
            link.current().jobs.forget(job.id)  # only ended ones go
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_cancel, MAQUETTE_OT_pause, MAQUETTE_OT_resume, MAQUETTE_OT_retry, MAQUETTE_OT_show_result,
    MAQUETTE_OT_forget, MAQUETTE_OT_forget_ended,
)
