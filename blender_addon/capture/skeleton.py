# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh to be rigged -> a rig job, with the artist's markers, or with the armature that it shall be bound to.

A mesh goes in metres as it stands in the scene, in a frame with its place and turn but without its scale: so scaled,
sheared and mirrored objects arrive as what is seen, and the armature gets that frame.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from .. import wire
from . import meshes

MARKER = "maquette_marker"
"""Custom property of an empty: which place of the body it marks."""
MARKS = "maquette_marks"
"""Custom property of an empty: the name of the object that it is about."""


def rig_spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.RigSpec` out of `scene.maquette`. Raises BadRequest naming the field. seed: there is nothing to
    draw."""
    item = bpy.data.objects[meshes.target(context, properties)]
    return wire.specs.RigSpec(
        creature=properties.creature.lower(),
        naming=properties.naming.lower(),
        front=properties.front.lower(),
        fingers=bool(properties.fingers),
        name=item.name,
    )


def rig_options(context: Any, properties: Any, target: str, spec: Any) -> dict[str, Any]:
    """What the way back needs: the frame and the unit that the vertices went in, which mesh it was, and the armature
    that it is bound to where one is selected with it."""
    item = meshes.find(target)
    faces = meshes.triangles(item.data)["faces"]
    rig = chosen_armature(context, item)
    return {
        "armature": rig.name if rig is not None else "",
        "frame": [value for row in frame_of(item) for value in row],
        "metres": metres(context.scene),
        "vertices": len(item.data.vertices),
        "faces": meshes.fingerprint(faces),
    }


def rig_inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """vertices and faces in the frame of the options; markers with their names where the artist placed some, or the
    skeleton to bind to.

    Raises BadRequest when the object is gone or has no size in the scene.
    """
    item = meshes.find(target)
    frame, unit = matrix_of(options["frame"]), float(options["metres"])
    arrays = meshes.triangles(item.data)
    arrays.pop("uvs", None)
    seen = np.array(frame.inverted() @ item.matrix_world, np.float64)
    if abs(np.linalg.det(seen[:3, :3])) < 1e-12:
        raise wire.errors.BadRequest(f"{item.name} has no size along one axis (a scale of 0).", path="target",
                                     hint="Give it a scale, or apply it (Ctrl-A).")
    arrays["vertices"] = _through(seen, arrays["vertices"], unit)
    if np.linalg.det(seen[:3, :3]) < 0:  # mirrored: what was outside would be inside
        arrays["faces"] = np.ascontiguousarray(arrays["faces"][:, [0, 2, 1]])
    if options.get("armature"):
        rig = bpy.data.objects.get(options["armature"])
        if rig is None or rig.type != "ARMATURE":
            raise wire.errors.BadRequest(f"There is no armature called {options['armature']} any more.", path="target")
        return arrays | skeleton_in(rig, frame, unit).arrays()
    marks = markers_of(item)
    if marks:
        places = np.array([one.matrix_world.translation for one in marks.values()], np.float64)
        arrays["markers"] = _through(np.array(frame.inverted(), np.float64), places, unit)
        arrays["marker_names"] = wire.skeleton.write_names(tuple(marks))
    return arrays


def frame_of(item: Any) -> Matrix:
    """Place and turn of an object, without scale, shear and mirroring: where its armature stands."""
    location, rotation, _scale = item.matrix_world.decompose()
    return Matrix.LocRotScale(location, rotation, None)


def metres(scene: Any) -> float:
    """How many metres a unit of the scene is."""
    return float(scene.unit_settings.scale_length) or 1.0


def markers_of(item: Any) -> dict[str, Any]:
    """Markers that the artist placed for an object: place of the body -> empty."""
    found = [one for one in bpy.data.objects if one.type == "EMPTY" and one.get(MARKS) == item.name and MARKER in one]
    return {str(one[MARKER]): one for one in sorted(found, key=lambda one: one.name) if one.users_scene}


def chosen_armature(context: Any, item: Any) -> Any | None:
    """The armature that the mesh shall be bound to: the one that is selected with it; None where there is none.

    Raises BadRequest where there are several, or where the mesh has groups of its bones already, which stay as they
    are.
    """
    found = [one for one in context.view_layer.objects.selected if one.type == "ARMATURE" and one != item]
    if not found:
        return None
    if len(found) > 1:
        raise wire.errors.BadRequest(f"{len(found)} armatures are selected; one can be bound to", path="target")
    names = {bone.name for bone in _deforming(found[0])}
    if not names:
        raise wire.errors.BadRequest(f"{found[0].name} has no bones that deform", path="target")
    taken = sorted(names & {group.name for group in item.vertex_groups})
    if taken:
        raise wire.errors.BadRequest(
            f"{item.name} has vertex groups of these bones already ({', '.join(taken[:3])}).", path="target",
            hint="Delete or rename them to have new weights, or deselect the armature to get a new one.")
    return found[0]


def skeleton_in(rig: Any, frame: Matrix, unit: float) -> Any:
    """`protocol.skeleton.Skeleton` of those bones of an armature that deform, at rest, in metres in `frame`; unit:
    metres a unit of the scene. Joints have their bones' names, parents first; one whose parent does not deform hangs on
    the next above that does, or on the first."""
    bones = _deforming(rig)
    names = [bone.name for bone in bones]
    matrix = np.array(frame.inverted() @ rig.matrix_world, np.float64)
    heads = _through(matrix, np.array([bone.head_local for bone in bones]), unit)
    tails = _through(matrix, np.array([bone.tail_local for bone in bones]), unit)
    axes = matrix[:3, :3] @ np.array([bone.matrix_local.to_3x3() for bone in bones], np.float64)
    left, _, right = np.linalg.svd(axes)  # the nearest rotation, whatever the armature's scale
    turns = left @ right
    turns[np.linalg.det(turns) < 0] *= -1
    parents = []
    for number, bone in enumerate(bones):
        above = next((one.name for one in bone.parent_recursive if one.name in names), "")
        parents.append(names.index(above) if above else -1 if number == 0 else 0)
    return wire.skeleton.Skeleton(heads, tails, turns.astype(np.float32), np.array(parents, np.int16), tuple(names))


def _deforming(rig: Any) -> list[Any]:
    """Its bones that deform, parents first."""
    return sorted((bone for bone in rig.data.bones if bone.use_deform), key=lambda bone: len(bone.parent_recursive))


def matrix_of(values: Any) -> Matrix:
    """4 x 4 out of 16 numbers, row by row."""
    return Matrix([list(values)[row : row + 4] for row in range(0, 16, 4)])


def _through(matrix: np.ndarray, points: np.ndarray, unit: float) -> np.ndarray:
    moved = np.asarray(points, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return np.ascontiguousarray(moved * unit, np.float32)
