# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished motion -> a new Action on an armature, in one undo step, beside what the artist has.

The Action that the armature had stays in the file with a fake user; bones keep the way in which they say rotations. A
loop gets one frame more, equal to its first, and modifiers that repeat it. While the job runs what there is so far
plays on the armature from an Action of its own, which is gone when the result is here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import bpy
import numpy as np
from mathutils import Euler, Quaternion

from .. import compat, wire
from ..capture.armatures import Bones, find
from . import placement
from .result import Delivery

JOB_PROPERTY = "maquette_preview_of"
BEFORE_PROPERTY = "maquette_before"
"""Custom properties of an Action that shows a running job: the job's id, and the name of the Action before it."""
FEET = ("Left foot", "Right foot")


def deliver(delivery: Delivery) -> str:
    """Key the motion on the armature called `delivery.target`; returns its name.

    Raises BadRequest when the armature or one of the bones that were animated is gone, or when the motion is none, and
    leaves the scene as it was.
    """
    rig = find(delivery.target)
    bones = Bones.from_options(delivery.options)
    motion = wire.motion.Motion.from_arrays(delivery.arrays, delivery.report.get("motion", {}))
    check(rig, bones, motion)
    before = discard(delivery.job_id)
    name = delivery.name or placement.object_name(delivery.prompt)
    start = int(delivery.options.get("start", 1))
    action = write(rig, name, bones, motion, start, before)
    remember(action, delivery)
    compat.undo_push(f"Maquette: {name}")
    return str(rig.name)


def write(rig: Any, name: str, bones: Bones, motion: Any, start: int, before: str = "") -> Any:
    """A new Action in use on the armature; the one that was in use keeps a fake user. before: name of that one, where
    a preview has taken its place."""
    old = bpy.data.actions.get(before) if before else current(rig)
    if old is not None:
        old.use_fake_user = True
    action = bpy.data.actions.new(name)
    action.use_fake_user = True
    curves, groups = compat.action_curves(rig, action)
    pace = frames_a_second() / motion.fps
    rotations, root = motion.rotations, motion.root
    if motion.loop:
        rotations = wire.motion.continuous(np.concatenate([rotations, rotations[:1]]))
        root = np.concatenate([root, root[:1] + np.asarray(motion.stride, np.float32)])
    frames = (start + np.arange(len(rotations)) * pace).astype(np.float32)
    key(rig, curves, groups, bones, frames, rotations, root)
    if motion.loop:
        for curve in curves:
            cycles = curve.modifiers.new("CYCLES")
            if curve.data_path.endswith("location") and motion.root_mode == "root_motion":
                cycles.mode_before = cycles.mode_after = "REPEAT_OFFSET"
    action.use_frame_range = True
    action.frame_start, action.frame_end = float(frames[0]), float(frames[-1])
    if hasattr(action, "use_cyclic"):
        action.use_cyclic = motion.loop
    mark_contacts(action, motion.contacts, frames)
    return action


def key(rig: Any, curves: Any, groups: Any, bones: Bones, frames: np.ndarray, rotations: np.ndarray, root: np.ndarray
        ) -> None:
    """Keys for all bones: rotations (T, J, 4), each in the mode that its bone has, and the way of the first bone."""
    for number, bone in enumerate(bones.names):
        pose = rig.pose.bones[bone]
        group = groups.get(bone) or groups.new(bone)
        path, values = in_mode(pose.rotation_mode, rotations[:, number])
        _curves(curves, group, f'{pose.path_from_id()}.{path}', frames, values)
        if number == 0:
            way = bones.to_bone(root, pose.bone.use_local_location)
            _curves(curves, group, f"{pose.path_from_id()}.location", frames, way)


def _curves(curves: Any, group: Any, path: str, frames: np.ndarray, values: np.ndarray) -> None:
    points = np.empty((len(frames), 2), np.float32)
    points[:, 0] = frames
    straight = np.full(len(frames), compat.LINEAR, np.int32)
    for column in range(values.shape[1]):
        curve = curves.new(path, index=column)
        curve.group = group
        curve.keyframe_points.add(len(frames))
        points[:, 1] = values[:, column]
        curve.keyframe_points.foreach_set("co", points.ravel())
        curve.keyframe_points.foreach_set("interpolation", straight)
        curve.update()


def in_mode(mode: str, rotations: np.ndarray) -> tuple[str, np.ndarray]:
    """(property, values (T, 3 or 4)) of quaternions (T, 4) in a bone's rotation mode."""
    if mode == "QUATERNION":
        return "rotation_quaternion", rotations
    if mode == "AXIS_ANGLE":
        half = np.linalg.norm(rotations[:, 1:], axis=1)
        angle = 2.0 * np.arctan2(half, rotations[:, 0])
        axis = np.where(half[:, None] > 1e-7, rotations[:, 1:] / np.maximum(half[:, None], 1e-7), [0.0, 1.0, 0.0])
        return "rotation_axis_angle", np.concatenate([angle[:, None], axis], 1)
    values = np.empty((len(rotations), 3))
    last = Euler((0.0, 0.0, 0.0), mode)
    for frame, one in enumerate(rotations.tolist()):
        last = Quaternion(one).to_euler(mode, last)
        values[frame] = last
    return "rotation_euler", values


def mark_contacts(action: Any, contacts: np.ndarray, frames: np.ndarray) -> None:
    """A marker wherever a foot comes down, named after it."""
    for side, name in enumerate(FEET):
        stands = contacts[:, 2 * side : 2 * side + 2].any(1)
        if stands.all() or not stands.any():
            continue
        lands = np.flatnonzero(stands & ~np.roll(stands, 1))
        for frame in lands[lands > 0] if not stands[0] else lands:
            action.pose_markers.new(name).frame = round(float(frames[frame]))


def frames_a_second() -> float:
    """Of the scene."""
    render = bpy.context.scene.render
    return float(render.fps / render.fps_base)


def current(rig: Any) -> Any | None:
    """The Action that the armature uses now."""
    return rig.animation_data.action if rig.animation_data is not None else None


def check(rig: Any, bones: Bones, motion: Any) -> None:
    """Raises BadRequest when the motion cannot be keyed on this armature."""
    gone = [name for name in bones.names if name not in rig.pose.bones]
    if gone:
        raise wire.errors.BadRequest(
            f"{rig.name} has no bone called {gone[0]} any more.", path="target",
            hint="Undo the renaming, or animate it again.",
        )
    if motion.rotations.shape[1] != len(bones.names):
        raise wire.errors.BadRequest(f"The motion has {motion.rotations.shape[1]} joints for {len(bones.names)} bones.",
                                     path="motion_rotations")


def remember(action: Any, delivery: Delivery) -> None:
    """Write on the Action how it was made."""
    action["maquette_prompt"] = delivery.prompt
    action["maquette_job"] = delivery.job_id
    action["maquette_seed"] = str(delivery.report.get("seed", ""))
    action["maquette_report"] = json.dumps(delivery.report, sort_keys=True, default=str)


# --- while the job runs ---


def preview(job_id: str, target: str, options: Mapping[str, Any], motion: Any) -> bool:
    """Play what there is of a motion so far on the armature; False when it is not there (any more), or when the artist
    has given it another Action meanwhile. No undo step."""
    rig = bpy.data.objects.get(target)
    if rig is None or rig.type != "ARMATURE":
        return False
    bones = Bones.from_options(options)
    if any(name not in rig.pose.bones for name in bones.names) or motion.rotations.shape[1] != len(bones.names):
        return False
    shown = _shown(job_id)
    if shown is not None and current(rig) is not shown:
        return False
    before = str(shown.get(BEFORE_PROPERTY, "")) if shown is not None else getattr(current(rig), "name", "")
    if shown is None and before:
        bpy.data.actions[before].use_fake_user = True
    if shown is not None:
        bpy.data.actions.remove(shown)
    action = bpy.data.actions.new("Maquette preview")
    action[JOB_PROPERTY], action[BEFORE_PROPERTY] = job_id, before
    curves, groups = compat.action_curves(rig, action)
    pace = frames_a_second() / motion.fps
    frames = (int(options.get("start", 1)) + np.arange(len(motion.rotations)) * pace).astype(np.float32)
    key(rig, curves, groups, bones, frames, motion.rotations, motion.root)
    return True


def discard(job_id: str) -> str:
    """Take the preview of a job away; the armature has its own Action back. Returns that one's name."""
    shown = _shown(job_id)
    if shown is None:
        return ""
    before = str(shown.get(BEFORE_PROPERTY, ""))
    old = bpy.data.actions.get(before)
    for rig in bpy.data.objects:
        if getattr(current(rig), "name", "") == shown.name:
            compat.use_action(rig, old)
    bpy.data.actions.remove(shown)
    return before


def _shown(job_id: str) -> Any | None:
    return next((one for one in bpy.data.actions if one.get(JOB_PROPERTY) == job_id), None)


# --- strips ---


def to_strip(rig: Any, action: Any, repeat: float = 1.0) -> Any:
    """The Action as an NLA strip on a track of its own, `repeat` times, and no longer as the one in use. Root motion
    starts anew with each repeat (Blender's NLA knows no offset): use the Action's own cycles for that."""
    data = rig.animation_data_create()
    start = round(action.frame_range[0])
    track = data.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, start, action)
    compat.use_slot(strip, action)
    strip.repeat = repeat
    if current(rig) == action:
        compat.use_action(rig, None)
    return strip


def put_back(rig: Any, name: str) -> None:
    """Use another Action again, by its name. Raises BadRequest when there is none of that name."""
    action = bpy.data.actions.get(name)
    if action is None:
        raise wire.errors.BadRequest(f"There is no Action called {name}.", path="action")
    compat.use_action(rig, action)


def names_of(rig: Any) -> Sequence[str]:
    """The Actions that were made for this armature by us, newest last."""
    bones = set(rig.pose.bones.keys())
    return [one.name for one in bpy.data.actions if "maquette_job" in one and _groups(one) & bones]


def _groups(action: Any) -> set[str]:
    return {group.name for bag in compat.bags_of(action) for group in bag.groups}
