# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a Blender of any version: a motion onto an armature, evaluated, beside the Action that was there.

Arguments: a folder with zmq and msgpack for this Python, where to write the report. `test_motions` judges it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
sys.path[:0] = [str(Path(__file__).resolve().parents[3]), arguments[0]]

import bpy  # noqa: E402
import numpy as np  # noqa: E402

from blender_addon import compat, wire  # noqa: E402
from blender_addon.apply import action as actions  # noqa: E402
from blender_addon.capture import armatures, motion  # noqa: E402
from tests.blender_addon.rigs import evaluated, heads_of, make_rig, random_motion  # noqa: E402


def main() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 24
    rig = make_rig()
    own = bpy.data.actions.new("Mine")
    curves, _ = compat.action_curves(rig, own)
    curves.new('pose.bones["mixamorig:Head"].location', index=0).keyframe_points.insert(1, 0.25)
    bones, arrays = armatures.captured(rig)
    skeleton = wire.skeleton.Skeleton.from_arrays(arrays)
    made = random_motion(len(skeleton), 60)
    begun = time.perf_counter()
    action = actions.write(rig, "Wave", bones, made, 1)
    seconds = time.perf_counter() - begun
    truth = heads_of(skeleton, made)
    wrong = max(float(np.abs(evaluated(rig, bones, 1 + n) - truth[n]).max()) for n in range(len(made)))
    rotations, _ = motion.played(rig, action, bones)
    loop = actions.write(rig, "Round", bones, random_motion(len(skeleton), 12, loop=True), 1)
    again = float(np.abs(evaluated(rig, bones, 1 + 36) - evaluated(rig, bones, 1) - [0, -3, 0]).max())
    options = {**bones.to_options(), "start": 1}
    previewed = actions.preview("job", rig.name, options, made)
    restored = actions.discard("job")
    compat.use_action(rig, action)
    strip = actions.to_strip(rig, action, 2.0)
    repeated = float(np.abs(evaluated(rig, bones, 7 + 59) - truth[6]).max())
    actions.put_back(rig, "Mine")
    bpy.context.scene.frame_set(5)
    report = {
        "blender": bpy.app.version_string, "wrong": wrong, "seconds": seconds, "again": again, "previewed": previewed,
        "restored": restored, "strip": [strip.repeat, repeated], "markers": len(action.pose_markers),
        "kept": [own.use_fake_user, action.use_fake_user, loop.use_fake_user],
        "mine": rig.pose.bones["mixamorig:Head"].location[0],
        "same": float(np.abs((rotations * made.rotations).sum(-1)).min()),
    }
    Path(arguments[1]).write_text(json.dumps(report), encoding="utf-8")


main()
sys.stdout.flush()
os._exit(0)  # Blender's module crashes or hangs at the end of some Pythons
