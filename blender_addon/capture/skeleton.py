# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh to be rigged, with the artist's markers -> a rig job; an armature of the scene -> the arrays of a skeleton.

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
UNEVEN = 1e-3  # of the largest; scales of an armature that differ by more than this cannot be turned into rest frames


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
    """What the way back needs: the frame and the unit that the vertices went in, and which mesh it was."""
    item = meshes.find(target)
    faces = meshes.triangles(item.data)["faces"]
    return {
        "frame": [value for row in frame_of(item) for value in row],
        "metres": metres(context.scene),
        "vertices": len(item.data.vertices),
        "faces": meshes.fingerprint(faces),
    }


def rig_inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """vertices and faces in the frame of the options, and markers with their names where the artist placed some.

    Raises BadRequest when the object is gone or has no size in the scene.
    """
    item = meshes.find(target)
    frame, unit = _matrix(options["frame"]), float(options["metres"])
    arrays = meshes.triangles(item.data)
    arrays.pop("uvs", None)
    seen = np.array(frame.inverted() @ item.matrix_world, np.float64)
    if abs(np.linalg.det(seen[:3, :3])) < 1e-12:
        raise wire.errors.BadRequest(f"{item.name} has no size along one axis (a scale of 0).", path="target",
                                     hint="Give it a scale, or apply it (Ctrl-A).")
    arrays["vertices"] = _through(seen, arrays["vertices"], unit)
    if np.linalg.det(seen[:3, :3]) < 0:  # mirrored: what was outside would be inside
        arrays["faces"] = np.ascontiguousarray(arrays["faces"][:, [0, 2, 1]])
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


def skeleton_of(rig: Any, unit: float) -> Any:
    """`protocol.skeleton.Skeleton` of an armature object at rest, in metres in its own frame; unit: metres a unit of
    the scene. Joints have the names of their bones, parents first.

    Raises BadRequest when it has no bones, or a scale that is not the same along all axes.
    """
    if rig is None or rig.type != "ARMATURE" or not len(rig.data.bones):
        raise wire.errors.BadRequest("Select an armature with bones", path="target")
    scale = np.array(rig.matrix_world.to_3x3(), np.float64)
    sizes = np.linalg.norm(scale, axis=0)
    if np.ptp(sizes) > UNEVEN * sizes.max() or np.linalg.det(scale) <= 0:
        raise wire.errors.BadRequest(f"{rig.name} is scaled unevenly or mirrored.", path="target",
                                     hint="Apply its scale first (Ctrl-A, Scale).")
    bones = parents_first(rig)
    names = [bone.name for bone in bones]
    factor = float(sizes.mean()) * unit
    rest = np.array([bone.matrix_local for bone in bones], np.float64)
    heads = np.array([bone.head_local for bone in bones], np.float64) * factor
    tails = np.array([bone.tail_local for bone in bones], np.float64) * factor
    parents = [names.index(bone.parent.name) if bone.parent is not None else -1 for bone in bones]
    return wire.skeleton.Skeleton(heads.astype(np.float32), tails.astype(np.float32),
                                  rest[:, :3, :3].astype(np.float32), np.array(parents, np.int16), tuple(names))


def parents_first(rig: Any) -> list[Any]:
    """The armature's bones, each after its parent, otherwise in Blender's order."""
    ordered: list[Any] = []

    def walk(bone: Any) -> None:
        ordered.append(bone)
        for child in bone.children:
            walk(child)

    for bone in rig.data.bones:
        if bone.parent is None:
            walk(bone)
    return ordered


def roles_of(rig: Any) -> tuple[str, ...]:
    """Internal name of each bone in the order of `skeleton_of`: what we noted on it, or what its name says; empty for
    what is neither."""
    bones = parents_first(rig)
    known = wire.naming.internal([bone.name for bone in bones])
    return tuple(str(bone.get("maquette_joint", "")) or (name if name in wire.naming.HUMANOID else "")
                 for bone, name in zip(bones, known, strict=True))


def _matrix(values: Any) -> Matrix:
    return Matrix([list(values)[row : row + 4] for row in range(0, 16, 4)])


def _through(matrix: np.ndarray, points: np.ndarray, unit: float) -> np.ndarray:
    moved = np.asarray(points, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return np.ascontiguousarray(moved * unit, np.float32)
