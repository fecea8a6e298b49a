# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the history: use the settings again, vary, bring back, delete, publish as an asset, turn the page."""

import bpy

from .. import assets, link, recall, scripting, words
from ..declared import Guarded, OfJob, Reporting

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


class MAQUETTE_OT_reuse(OfJob, bpy.types.Operator):
    bl_idname = "maquette.reuse"
    bl_label = "Reuse Settings"
    bl_description = "Put prompt, seed and settings of this job back into the panel"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        record = link.current().history.get(self.job)
        if record is None:
            self.report({"ERROR"}, words.say("The history has no such job any more"))
            return {"CANCELLED"}
        recall.fill(context.scene.maquette, record.kind, record.spec, record.seed)
        return {"FINISHED"}


class MAQUETTE_OT_vary(OfJob, bpy.types.Operator):
    bl_idname = "maquette.vary"
    bl_label = "Vary"
    bl_description = "Ask for the same with another seed"
    bl_options = {"REGISTER"}

    def execute(self, context):
        return self.attempt(lambda: scripting.again(self.job, new_seed=True))


class MAQUETTE_OT_bring(OfJob, bpy.types.Operator):
    bl_idname = "maquette.bring"
    bl_label = "Bring into the Scene"
    bl_description = "Put this result into the open file, at the place that the panel names"
    bl_options = {"REGISTER"}

    def execute(self, context):
        return self.attempt(lambda: scripting.bring(self.job, context.scene.maquette.place))


class MAQUETTE_OT_delete(OfJob, bpy.types.Operator):
    bl_idname = "maquette.delete"
    bl_label = "Delete from History"
    bl_description = "Strike this job out of the history, its kept result and picture too. Objects in scenes stay"
    bl_options = {"REGISTER"}

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        link.current().delete(self.job)
        return {"FINISHED"}


class MAQUETTE_OT_page(bpy.types.Operator):
    bl_idname = "maquette.page"
    bl_label = "Turn the Page"
    bl_description = "Show older or newer jobs"
    bl_options = {"REGISTER", "INTERNAL"}

    step: bpy.props.IntProperty(default=1)

    def execute(self, context):
        view = context.window_manager.maquette
        view.page = max(0, view.page + self.step)
        return {"FINISHED"}


class MAQUETTE_OT_publish(Guarded, Reporting, bpy.types.Operator):
    bl_idname = "maquette.publish"
    bl_label = "Publish as Asset"
    bl_description = "Copy the active object into an asset library, with preview, tags and a catalogue"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def complaint(cls, context):
        return assets.complaint(context.object)

    def execute(self, context):
        def publish():
            path = assets.publish(context.object)
            self.report({"INFO"}, words.say(f"Published to {path}"))

        return self.attempt(publish)


CLASSES = (
    MAQUETTE_OT_reuse, MAQUETTE_OT_vary, MAQUETTE_OT_bring, MAQUETTE_OT_delete, MAQUETTE_OT_page, MAQUETTE_OT_publish,
)
