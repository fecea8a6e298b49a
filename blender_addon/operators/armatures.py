# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators around skeletons and motions: markers to drag, bone maps, Actions as clips and as strips."""

from typing import Any

import bpy

from .. import bonemaps, words
from ..apply import action as actions
from ..apply import armature
from ..capture import armatures, meshes, motion
from ..declared import Guarded, Reporting

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

GUESS = "GUESS"
_maps: list = []  # Blender keeps no reference to what a callback gives it


def _names(self, context):
    _maps[:] = [(GUESS, words.say("Guess It"), ""), *((name, name, "") for name in bonemaps.names())]
    return _maps


class OnArmature(Guarded, Reporting):
    """An operator about the armature that would be animated."""

    @classmethod
    def complaint(cls, context):
        armatures.chosen(context)
        return ""


class OnAction(OnArmature):
    """An operator about the Action that this armature has."""

    @classmethod
    def complaint(cls, context):
        return "" if actions.current(armatures.chosen(context)) is not None else "The armature has no Action"


class MAQUETTE_OT_place_markers(Reporting, bpy.types.Operator):
    bl_idname = "maquette.place_markers"
    bl_label = "Place Markers"
    bl_description = "Put markers on the selected mesh; drag them to where they belong and rig it again"
    bl_options = {"REGISTER", "UNDO"}

    creature: bpy.props.StringProperty(name="Creature", default="")
    target: bpy.props.StringProperty(name="Object", description="Empty for the active one", default="")

    def execute(self, context):
        def place():
            item = bpy.data.objects.get(self.target) or bpy.data.objects[meshes.target(context, None)]
            wanted = self.creature or context.scene.maquette.creature
            made = armature.place_markers(item, "humanoid" if wanted == "auto" else wanted)
            self.report({"INFO"}, words.say(f"{len(made)} markers stand around {item.name}; drag them to their places"))

        return self.attempt(place)


class MAQUETTE_OT_bone_map(OnArmature, bpy.types.Operator):
    bl_idname = "maquette.bone_map"
    bl_label = "Bone Map"
    bl_description = "Which bone of the armature plays which part; guessed from names and shape where no map is chosen"
    bl_options = {"REGISTER", "UNDO"}

    name: bpy.props.EnumProperty(name="Bone Map", items=_names)

    def execute(self, context):
        name = "" if self.name == GUESS else self.name
        return self.attempt(lambda: bonemaps.choose(armatures.chosen(context), name))


class MAQUETTE_OT_save_bone_map(OnArmature, bpy.types.Operator):
    bl_idname = "maquette.save_bone_map"
    bl_label = "Save Bone Map"
    bl_description = "Save which bone plays which part, as it is guessed now, under a name"
    bl_options = {"REGISTER"}

    name: bpy.props.StringProperty(name="Name", description="What the map is called in the list", default="")

    def invoke(self, context, event):
        self.name = armatures.chosen(context).name
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        def save():
            rig = armatures.chosen(context)
            bonemaps.save(self.name, bonemaps.of(rig) or bonemaps.guessed(rig))
            bonemaps.choose(rig, self.name)

        return self.attempt(save)


class MAQUETTE_OT_use_as_clip(OnAction, bpy.types.Operator):
    bl_idname = "maquette.use_as_clip"
    bl_label = "Use as Clip"
    bl_description = "Let new motions be made of the armature's Action too, or no longer"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        action: Any = actions.current(armatures.chosen(context))  # there is one, see `complaint`
        action[motion.CLIPS_PROPERTY] = not action.get(motion.CLIPS_PROPERTY, False)
        return {"FINISHED"}


class MAQUETTE_OT_to_strip(OnAction, bpy.types.Operator):
    bl_idname = "maquette.to_strip"
    bl_label = "Push to NLA"
    bl_description = "Put the armature's Action on a track of its own, to be mixed with others"
    bl_options = {"REGISTER", "UNDO"}

    repeat: bpy.props.FloatProperty(
        name="Repeat", description="How often the Action plays", default=1.0, min=0.1, max=1000.0
    )

    def execute(self, context):
        rig = armatures.chosen(context)
        actions.to_strip(rig, actions.current(rig), self.repeat)
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_place_markers, MAQUETTE_OT_bone_map, MAQUETTE_OT_save_bone_map, MAQUETTE_OT_use_as_clip,
    MAQUETTE_OT_to_strip,
)
