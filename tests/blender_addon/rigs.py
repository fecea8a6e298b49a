# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature and motions for it, and the forward kinematics that says where its joints belong. It needs no pytest,
because it also runs in Blenders that have none."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Matrix, Vector

from blender_addon import wire

MIXAMO = {  # name: (parent, head) in metres, standing upright, facing -Y
    "Hips": ("", (0, 0, 1.0)), "Spine": ("Hips", (0, 0.01, 1.1)), "Spine1": ("Spine", (0, 0.02, 1.2)),
    "Spine2": ("Spine1", (0, 0.02, 1.35)), "Neck": ("Spine2", (0, 0.02, 1.5)), "Head": ("Neck", (0, 0, 1.6)),
    **{f"{side}{name}": (f"{side}{above}" if above in ("Shoulder", "Arm", "ForeArm", "UpLeg", "Leg", "Foot") else above,
                         (sign * x, y, z))
       for side, sign in (("Left", 1), ("Right", -1))
       for name, above, x, y, z in (
           ("Shoulder", "Spine2", 0.04, 0.02, 1.45), ("Arm", "Shoulder", 0.18, 0.02, 1.45),
           ("ForeArm", "Arm", 0.40, 0.03, 1.25), ("Hand", "ForeArm", 0.58, 0.0, 1.08), ("UpLeg", "Hips", 0.1, 0, 0.95),
           ("Leg", "UpLeg", 0.1, -0.01, 0.5), ("Foot", "Leg", 0.1, 0.03, 0.09), ("ToeBase", "Foot", 0.11, -0.1, 0.02))},
}


def make_rig(names=lambda name: f"mixamorig:{name}", matrix=None, root=False):
    """An armature whose world shape is that of MIXAMO, whatever `matrix` its object has."""
    matrix = Matrix() if matrix is None else matrix
    back = matrix.inverted()
    data = bpy.data.armatures.new("Rig")
    rig = bpy.data.objects.new("Rig", data)
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    if root:
        bone = data.edit_bones.new("root")
        bone.head, bone.tail = back @ Vector((0, 0, 0)), back @ Vector((0, 0.2, 0))
    for number, (name, (above, head)) in enumerate(MIXAMO.items()):
        bone = data.edit_bones.new(names(name))
        child = next((one for parent, one in MIXAMO.values() if parent == name), None)
        tail = child if child is not None else tuple(np.add(head, (0.0, -0.08, 0.01)))
        bone.head, bone.tail = back @ Vector(head), back @ Vector(tail)
        bone.roll = 0.3 * number
        if above:
            bone.parent = data.edit_bones[names(above)]
        elif root:
            bone.parent = data.edit_bones["root"]
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.matrix_world = matrix
    bpy.context.view_layer.update()
    return rig


def random_motion(joints: int, frames: int = 12, loop: bool = False):
    random = np.random.default_rng(4)
    turns = np.concatenate([np.ones((frames, joints, 1)), random.normal(0, 0.25, (frames, joints, 3))], -1)
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
    root = random.normal(0, 0.2, (frames, 3)).astype(np.float32)
    contacts = np.zeros((frames, 4), np.uint8)
    contacts[3:6, :2] = 1
    return wire.motion.Motion(wire.motion.continuous(turns), root, contacts, 24.0, loop, "root_motion",
                              (0.0, -1.0, 0.0) if loop else (0.0, 0.0, 0.0))


def matrices(q):
    w, x, y, z = np.moveaxis(q.astype(np.float64), -1, 0)
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z),
                     1 - 2 * (x * x + z * z), 2 * (y * z - w * x), 2 * (x * z - w * y), 2 * (y * z + w * x),
                     1 - 2 * (x * x + y * y)], -1).reshape(*q.shape[:-1], 3, 3)


def heads_of(skeleton, made):
    """(T, J, 3) metres in the figure's frame."""
    turn = matrices(made.rotations)
    rest = skeleton.rotations.astype(np.float64)
    world = np.empty_like(turn)
    heads = np.empty((*turn.shape[:2], 3))
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            world[:, joint] = rest[joint] @ turn[:, joint]
            heads[:, joint] = skeleton.heads[joint] + made.root
        else:
            local = rest[parent].T @ rest[joint]
            world[:, joint] = world[:, parent] @ local @ turn[:, joint]
            step = rest[parent].T @ (skeleton.heads[joint] - skeleton.heads[parent]).astype(np.float64)
            heads[:, joint] = heads[:, parent] + (world[:, parent] @ step[:, None])[..., 0]
    return heads


def evaluated(rig, bones, frame):
    whole = math.floor(frame)
    bpy.context.scene.frame_set(whole, subframe=frame - whole)
    moved = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([moved.matrix_world @ moved.pose.bones[name].head for name in bones.names])
