# SPDX-License-Identifier: GPL-3.0-or-later
"""The active armature and the panel's settings -> an animate job: spec, skeleton, and Actions to choose from."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .. import bonemaps, compat, wire
from .armatures import Bones, captured, chosen, find
from .text import line

CLIPS_PROPERTY = "maquette_clip"
"""Custom property of an Action: true for those that go in as clips to choose from."""


def target(context: Any, properties: Any) -> str:
    """Name of the armature; raises BadRequest when none is selected."""
    return str(chosen(context).name)


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.AnimateSpec` out of `scene.maquette`. Raises BadRequest naming the field."""
    render = context.scene.render
    return wire.specs.AnimateSpec(
        prompt=line(properties.motion),
        seconds=round(properties.seconds, 6),
        fps=round(render.fps / render.fps_base, 6),
        loop=properties.loop,
        root_mode=properties.root_mode,
        style=round(properties.style, 6),
        method=properties.animate_method,
        mirror=properties.mirror,
        prior=line(properties.prior).strip() if properties.animate_method == "candidates" else "",
        seed=properties.seed if seed is None else seed,
    )


def options(context: Any, properties: Any, name: str, spec: Any) -> dict[str, Any]:
    """What the way back needs: the bones in their order, the armature's axes and unit, where to begin."""
    bones, _ = captured(find(name), bonemaps.of(find(name)))
    return {**bones.to_options(), "start": int(context.scene.frame_start)}


def inputs(context: Any, properties: Any, name: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """The skeleton, and the Actions of the file that are marked as clips. Raises BadRequest."""
    rig = find(name)
    bones, arrays = captured(rig, bonemaps.of(rig))
    clips = [one for one in bpy.data.actions if one.get(CLIPS_PROPERTY)][: wire.specs.animate.MAX_CLIPS]
    for number, action in enumerate(clips):
        rotations, root = played(rig, action, bones)
        arrays[f"clip_{number}_rotations"], arrays[f"clip_{number}_root"] = rotations, root
    if clips:
        arrays["clip_names"] = wire.skeleton.write_names(tuple(one.name for one in clips))
    return arrays


def played(rig: Any, action: Any, bones: Bones) -> tuple[np.ndarray, np.ndarray]:
    """An Action as rotations (T, J, 4) and root (T, 3) metres, a row for each frame of the scene, without touching what
    the armature does: read from the curves, as keyed (constraints and drivers do not count)."""
    begin, end = (round(one) for one in action.frame_range)
    frames = range(begin, min(end, begin + wire.motion.MAX_FRAMES - 1) + 1)
    table = {(curve.data_path, curve.array_index): curve for bag in compat.bags_of(action) for curve in bag.fcurves}

    def values(path: str, resting: tuple[float, ...]) -> np.ndarray:
        columns = []
        for index, rest in enumerate(resting):
            curve = table.get((path, index))
            columns.append([rest] * len(frames) if curve is None else [curve.evaluate(frame) for frame in frames])
        return np.array(columns, np.float64).T

    rotations = np.empty((len(frames), len(bones.names), 4), np.float32)
    root = np.zeros((len(frames), 3), np.float32)
    for number, name in enumerate(bones.names):
        pose = rig.pose.bones[name]
        path = pose.path_from_id()
        mode = pose.rotation_mode
        if mode == "QUATERNION":
            turns = values(f"{path}.rotation_quaternion", (1.0, 0.0, 0.0, 0.0))
        elif mode == "AXIS_ANGLE":
            given = values(f"{path}.rotation_axis_angle", (0.0, 0.0, 1.0, 0.0))
            axis = given[:, 1:] / np.maximum(np.linalg.norm(given[:, 1:], axis=1, keepdims=True), 1e-9)
            turns = np.concatenate([np.cos(given[:, :1] / 2), np.sin(given[:, :1] / 2) * axis], 1)
        else:
            turns = _of_euler(values(f"{path}.rotation_euler", (0.0, 0.0, 0.0)), mode)
        rotations[:, number] = turns / np.maximum(np.linalg.norm(turns, axis=1, keepdims=True), 1e-9)
        if number == 0:
            way = values(f"{path}.location", (0.0, 0.0, 0.0))
            root = bones.from_bone(way, pose.bone.use_local_location).astype(np.float32)
    return wire.motion.continuous(rotations), root


def _of_euler(angles: np.ndarray, order: str) -> np.ndarray:
    """(T, 3) angles about x, y, z in Blender's order (XYZ: x first) -> (T, 4) quaternions."""
    whole = np.tile([1.0, 0.0, 0.0, 0.0], (len(angles), 1))
    for axis in order:
        column = "XYZ".index(axis)
        turn = np.zeros((len(angles), 4))
        turn[:, 0], turn[:, 1 + column] = np.cos(angles[:, column] / 2), np.sin(angles[:, column] / 2)
        a, b = turn, whole  # what comes later turns what was turned before
        whole = np.stack([
            a[:, 0] * b[:, 0] - a[:, 1] * b[:, 1] - a[:, 2] * b[:, 2] - a[:, 3] * b[:, 3],
            a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0] + a[:, 2] * b[:, 3] - a[:, 3] * b[:, 2],
            a[:, 0] * b[:, 2] - a[:, 1] * b[:, 3] + a[:, 2] * b[:, 0] + a[:, 3] * b[:, 1],
            a[:, 0] * b[:, 3] + a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1] + a[:, 3] * b[:, 0],
        ], 1)
    return whole
