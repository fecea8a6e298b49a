# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of what is learned: choose the pictures, forget a word."""

from pathlib import Path

import bpy

from .. import identities, words
from ..capture import learning

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


class MAQUETTE_OT_choose_pictures(bpy.types.Operator):
    bl_idname = "maquette.choose_pictures"
    bl_label = "Choose Pictures"
    bl_description = "Choose 3 to 8 pictures of the same thing, or in the same style"
    bl_options = {"REGISTER", "UNDO"}

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        chosen = context.scene.maquette.pictures
        names = [one.name for one in self.files if one.name]
        if not learning.FEWEST <= len(names) <= learning.MOST:
            self.report({"WARNING"}, words.say(f"Choose {learning.FEWEST} to {learning.MOST} pictures of it"))
        chosen.clear()
        for name in names[: learning.MOST]:
            chosen.add().path = str(Path(self.directory) / name)
        return {"FINISHED"}


class MAQUETTE_OT_forget_word(bpy.types.Operator):
    bl_idname = "maquette.forget_word"
    bl_label = "Forget Word"
    bl_description = "Delete what was learned for this word; objects that were made with it stay"
    bl_options = {"REGISTER"}

    word: bpy.props.StringProperty(name="Word", default="")

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        identities.mine().drop(self.word)
        return {"FINISHED"}


class MAQUETTE_OT_say_word(bpy.types.Operator):
    bl_idname = "maquette.say_word"
    bl_label = "Put into Prompt"
    bl_description = "Put this word at the end of the prompt"
    bl_options = {"REGISTER", "UNDO"}

    word: bpy.props.StringProperty(name="Word", default="")

    def execute(self, context):
        properties = context.scene.maquette
        properties.prompt = f"{properties.prompt} {self.word}".strip()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_choose_pictures, MAQUETTE_OT_forget_word, MAQUETTE_OT_say_word)
