# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that place cameras around the selected objects, in a collection of their own."""

import bpy

from .. import declared, words
from ..capture import cameras

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

ARRANGEMENTS = (
    ("RING", "Ring", "All around at one height"),
    ("HEMISPHERE", "Dome", "Evenly over the upper half"),
    ("BOX", "Box", "Front, right, back, left, top, bottom"),
    ("VIEW", "From View", "One camera where you look from"),
)


class MAQUETTE_OT_place_cameras(bpy.types.Operator):
    bl_idname = "maquette.place_cameras"
    bl_label = "Place Cameras"
    bl_description = "Place cameras around the selected objects, in a collection of their own"
    bl_options = {"REGISTER", "UNDO"}

    arrangement: bpy.props.EnumProperty(
        name="Arrangement", description="How the cameras stand", items=ARRANGEMENTS, default="RING"
    )
    count: declared.camera_count()
    elevation: declared.camera_elevation()

    @classmethod
    def description(cls, context, properties):
        return next(text for name, _, text in ARRANGEMENTS if name == properties.arrangement)

    def invoke(self, context, event):
        self.count, self.elevation = context.scene.maquette.rig_count, context.scene.maquette.rig_elevation
        return self.execute(context)

    def execute(self, context):
        about = cameras.subject(context)
        if self.arrangement == "VIEW":
            if context.region_data is None:
                self.report({"ERROR"}, words.say("Call this from a 3D viewport"))
                return {"CANCELLED"}
            matrices = [context.region_data.view_matrix.inverted()]
        else:
            towards = {
                "RING": lambda: cameras.ring(self.count, self.elevation),
                "HEMISPHERE": lambda: cameras.hemisphere(self.count),
                "BOX": cameras.box,
            }[self.arrangement]()
            matrices = [cameras.looking(about, one) for one in towards]
        collection = cameras.place(context.scene, matrices)
        properties = context.scene.maquette
        properties.rig, properties.rig_collection = "COLLECTION", collection
        self.report({"INFO"}, words.say(f"{len(matrices)} cameras are in {collection.name}"))
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_place_cameras,)
