# SPDX-License-Identifier: GPL-3.0-or-later
"""A skeleton and its skin -> an armature with exact rest frames, vertex groups and a modifier, in one undo step.

Blender then moves the mesh as the backend does (linear blend skinning), to rounding. Nothing of the artist's is
replaced: groups and modifiers stay, names that are taken are not used again, and where the mesh was changed meanwhile
the rigged one stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import compat, wire
from ..capture import meshes
from ..capture import skeleton as captured
from ..capture.armatures import Bones
from . import action as actions
from . import placement
from .mesh import BrokenMesh, MeshArrays
from .result import Delivery, build, remember

JOINT = "maquette_joint"
"""Custom property of a bone: its internal name, whatever it is called."""
PREFIX = "Maquette "
TOUCHING = 1e-6  # of the skeleton's size; a child that begins where its parent ends is connected to it
FIRST = ("MIRROR", "ARRAY", "WELD", "SKIN", "MULTIRES")
"""Modifiers that make the mesh which is then deformed: the armature comes after those at the top."""
USUAL = {
    "chin": (0.0, 0.35, 0.87), "groin": (0.0, 0.5, 0.48), "elbow": (0.27, 0.5, 0.74), "wrist": (0.38, 0.5, 0.66),
    "knee": (0.08, 0.45, 0.28), "nose": (0.0, 0.02, 0.7), "tail_tip": (0.0, 0.98, 0.6), "front_foot": (0.3, 0.3, 0.02),
    "hind_foot": (0.3, 0.65, 0.02), "wing_tip": (0.48, 0.5, 0.6), "foot": (0.1, 0.5, 0.02),
}
"""Where markers are first: off the middle, along and up, in parts of the object's box."""


def deliver(delivery: Delivery) -> str:
    """Rig the object called `delivery.target`; returns the armature's name.

    Raises BrokenMesh or BadRequest and leaves the scene as it was.
    """
    skeleton, weights = _checked(delivery.arrays)
    item = bpy.data.objects.get(delivery.target)
    options = delivery.options
    unit = float(options.get("metres", 1.0))
    if item is None or not _same(item, options, len(weights.values)):
        item = _beside(delivery, len(weights.values), unit)
    weights.check(skeleton, len(item.data.vertices))
    old = bpy.data.objects.get(str(options.get("armature", "")))
    if old is not None and all(name in getattr(old.data, "bones", ()) for name in skeleton.names):
        bind(item, old, list(skeleton.names), weights)
        remember(old, delivery)
        compat.undo_push(f"Maquette: {item.name} bound")
        return str(old.name)
    frame = captured.matrix_of(options["frame"]) if "frame" in options else captured.frame_of(item)
    rig = attach(item, skeleton, weights, str(delivery.report.get("naming", "blender")), frame, unit)
    remember(rig, delivery)
    compat.undo_push(f"Maquette: {item.name} rigged")
    return str(rig.name)


def deliver_avatar(delivery: Delivery) -> str:
    """The mesh of an avatar with its armature, and its motion where it has one; returns the mesh object's name.

    Raises BrokenMesh, BrokenImage or BadRequest and leaves the scene as it was.
    """
    skeleton, weights = _checked(delivery.arrays)
    weights.check(skeleton, len(MeshArrays.from_result(delivery.arrays).vertices))
    motion = None
    if "motion_rotations" in delivery.arrays:
        motion = wire.motion.Motion.from_arrays(delivery.arrays, delivery.report.get("motion", {}))
    name = delivery.name or placement.object_name(delivery.prompt)
    item = build(delivery, name, preview=True)
    if not item.users_collection:
        placement.link(delivery.place, item)
    unit = captured.metres(placement.scene_of(delivery.place))
    rig = attach(item, skeleton, weights, str(delivery.report.get("naming", "blender")), captured.frame_of(item), unit)
    remember(rig, delivery)
    if motion is not None:
        action = actions.write(rig, name, bones_of(rig, skeleton, unit), motion, int(delivery.options.get("start", 1)))
        actions.remember(action, delivery)
    placement.choose([item], delivery.selection)
    compat.undo_push(f"Maquette: {name}")
    return str(item.name)


def attach(item: Any, skeleton: Any, weights: Any, naming: str, frame: Matrix, unit: float = 1.0) -> Any:
    """An armature for a mesh object: bones, vertex groups, modifier, parent; returns the armature's object.

    frame: where the armature stands in the world; unit: metres a unit of the scene is.
    """
    taken = {group.name for group in item.vertex_groups}
    names = free_names(wire.naming.named(skeleton.names, naming), taken)
    rig = build_armature(f"{item.name} rig", skeleton, names, frame, unit, item.users_collection)
    deforming = np.zeros(len(names), bool)
    deforming[weights.joints[weights.values > 0]] = True
    for name, deforms in zip(names, deforming, strict=True):
        rig.data.bones[name].use_deform = bool(deforms)
    bind(item, rig, names, weights)
    world = item.matrix_world.copy()
    if item.parent is None:
        item.parent = rig
        item.matrix_parent_inverse = frame.inverted()
        item.matrix_world = world
    else:  # the artist's own parent stays; the armature goes along with it
        rig.parent, rig.parent_type, rig.parent_bone = item.parent, item.parent_type, item.parent_bone
        rig.matrix_world = frame
    return rig


def bind(item: Any, rig: Any, names: list[str], weights: Any) -> None:
    """Vertex groups and a modifier that tie a mesh object to an armature; names: a bone's for each joint."""
    fill_groups(item, names, weights)
    modifier = item.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    modifier.use_deform_preserve_volume = False  # dual quaternions would move the mesh in another way than the backend
    modifier.use_vertex_groups = True
    place = 0
    while place < len(item.modifiers) - 1 and item.modifiers[place].type in FIRST:
        place += 1
    compat.move_modifier(item, modifier.name, place)


def free_names(names: list[str], taken: set[str]) -> list[str]:
    """The names, all with a prefix where any is taken already by the artist's groups; sides (.L) stay at the end."""
    prefix, number = "", 1
    while any(prefix + name in taken for name in names):
        prefix, number = (PREFIX if number == 1 else f"{PREFIX}{number} "), number + 1
    return [(prefix + name)[:63] for name in names]


def bones_of(rig: Any, skeleton: Any, unit: float) -> Bones:
    """How motions of this skeleton are keyed on the armature that was made for it; unit: metres a unit of the scene."""
    names = {bone[JOINT]: bone.name for bone in rig.data.bones}
    rest = skeleton.rotations[0].astype(np.float64).ravel()
    return Bones(tuple(names[joint] for joint in skeleton.names), tuple(np.eye(3).ravel()), unit, tuple(rest))


def build_armature(
    name: str, skeleton: Any, names: list[str], frame: Matrix, unit: float, collections: Iterable[Any]
) -> Any:
    """The armature's object, filed in these collections; mode, selection and active object are as before afterwards.

    Bones get exactly the rest frames of the skeleton: a root whose frame does not point along it gets a tail that does.
    """
    data = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, data)
    for collection in collections:
        collection.objects.link(rig)
    rig.matrix_world = frame
    heads, turns = skeleton.heads.astype(np.float64) / unit, skeleton.rotations.astype(np.float64)
    lengths = np.maximum(skeleton.lengths.astype(np.float64) / unit, 1e-5)
    near = TOUCHING * max(float(np.ptp(heads, axis=0).max()), 1e-9)
    with compat.edit_mode(rig):
        for number, bone_name in enumerate(names):
            bone = data.edit_bones.new(bone_name)
            bone.head = heads[number]
            bone.tail = heads[number] + turns[number, :, 1] * lengths[number]
            bone.align_roll(Vector(turns[number, :, 2]))
            parent = int(skeleton.parents[number])
            if parent >= 0:
                bone.parent = data.edit_bones[names[parent]]
                bone.use_connect = bool((bone.parent.tail - bone.head).length < near)
    for joint, bone_name in zip(skeleton.names, names, strict=True):
        data.bones[bone_name][JOINT] = joint
    rig.show_in_front = True
    return rig


def fill_groups(item: Any, names: list[str], weights: Any) -> None:
    """A vertex group for each bone, of the same name; one call for each weight that occurs."""
    for number, name in enumerate(names):
        group = item.vertex_groups.new(name=name)
        vertices, column = np.nonzero((weights.joints == number) & (weights.values > 0))
        values, which = np.unique(weights.values[vertices, column], return_inverse=True)
        order = np.argsort(which, kind="stable")
        cuts = np.searchsorted(which[order], np.arange(len(values) + 1))
        rows = vertices[order].tolist()
        for place, value in enumerate(values.tolist()):
            group.add(rows[cuts[place] : cuts[place + 1]], value, "ADD")


def _checked(arrays: dict[str, np.ndarray]) -> tuple[Any, Any]:
    """Before Blender sees anything. Raises BrokenMesh."""
    try:
        skeleton = wire.skeleton.Skeleton.from_arrays(arrays)
        weights = wire.skeleton.Weights.from_arrays(arrays)
        return skeleton, weights.check(skeleton, len(weights.values))
    except wire.errors.BadRequest as problem:
        raise BrokenMesh(str(problem)) from problem


def _same(item: Any, options: dict[str, Any], count: int) -> bool:
    """Is it the mesh that went in, as far as weights are concerned?"""
    if item.type != "MESH" or item.data.library is not None or item.library is not None or item.mode != "OBJECT":
        return False
    if len(item.data.vertices) != count:
        return False
    return "faces" not in options or meshes.fingerprint(meshes.triangles(item.data)["faces"]) == options["faces"]


def _beside(delivery: Delivery, count: int, unit: float) -> Any:
    """The mesh that went in as an object of its own, where the armature will stand. Raises BrokenMesh."""
    if "vertices" not in delivery.arrays or len(delivery.arrays["vertices"]) != count:
        raise BrokenMesh(f"{delivery.target or 'the mesh'} was changed or deleted meanwhile; rig it again")
    arrays = dict(delivery.arrays)
    arrays["vertices"] = np.ascontiguousarray(arrays["vertices"] / np.float32(unit), np.float32)
    made = build(Delivery(**{**vars(delivery), "arrays": arrays}), f"{delivery.name or delivery.target} rigged",
                 in_metres=False)
    old = bpy.data.objects.get(delivery.target)
    if old is not None and old.users_collection:
        for collection in old.users_collection:
            collection.objects.link(made)
    else:
        placement.link(delivery.place, made)
    made.matrix_world = captured.matrix_of(delivery.options["frame"]) if "frame" in delivery.options else Matrix()
    return made


def place_markers(item: Any, creature: str) -> list[Any]:
    """Empties on an object for the artist to drag to where the names say; those that are there already stay.

    They stand where such places are on an ordinary creature of the object's size that looks to -Y.
    """
    corners = np.array([item.matrix_world @ Vector(corner) for corner in item.bound_box], np.float64)
    low, extent = corners.min(0), np.ptp(corners, axis=0)
    present = captured.markers_of(item)
    made = []
    for name in wire.specs.rig.MARKERS[creature]:
        if name in present:
            made.append(present[name])
            continue
        empty = bpy.data.objects.new(f"{item.name}: {name.replace('_', ' ')}", None)
        empty.empty_display_type = "SPHERE"
        empty.empty_display_size = 0.02 * float(extent.max())
        empty.show_in_front = empty.show_name = True
        empty[captured.MARKER], empty[captured.MARKS] = name, item.name
        empty.location = low + extent * _usual(name)
        for collection in item.users_collection:
            collection.objects.link(empty)
        made.append(empty)
    bpy.context.view_layer.update()
    return made


def _usual(marker: str) -> np.ndarray:
    """Where a marker is in a creature's box, 0..1 along each axis; its left is +X."""
    side = 1.0 if marker.startswith("left") else -1.0 if marker.startswith("right") else 0.0
    across, along, up = USUAL[marker.removeprefix("left_").removeprefix("right_")]
    return np.array([0.5 + side * across, along, up])
