# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions land on armatures of any axes and scale exactly as Blender evaluates them, beside what the artist has.

Truth is a forward kinematics of the tests' own in float64, from the captured skeleton and the motion's quaternions.
"""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from blender_addon import bonemaps, compat, wire
from blender_addon.apply import action as actions
from blender_addon.apply.placement import IDENTITY, Place
from blender_addon.apply.result import Delivery
from blender_addon.capture import armatures, motion
from blender_addon.capture.armatures import Bones
from tests.blender_addon.rigs import MIXAMO, evaluated, heads_of, make_rig, matrices, random_motion


def deliver(rig, made, name="Wave", **options):
    bones, _ = armatures.captured(rig)
    delivery = Delivery("job", "wave", name, Place(bpy.context.scene.name, IDENTITY), made.to_arrays(),
                        {"motion": made.facts(), "seed": 7}, rig.name, {**bones.to_options(), "start": 1, **options})
    return actions.deliver(delivery)


MIXAMO_ORDER = list(MIXAMO)
PLACES = {
    "plain": Matrix(),
    "an FBX of Mixamo": (
        Matrix.Translation((3, -2, 0.5)) @ Matrix.Rotation(math.radians(90), 4, "X") @ Matrix.Scale(0.01, 4)
    ),
    "turned": Matrix.Rotation(math.radians(130), 4, "Z"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", ["QUATERNION", "ZYX", "AXIS_ANGLE"])
def test_blender_evaluates_what_was_sent(place, mode):
    bpy.context.scene.render.fps = 24
    matrix = PLACES[place]
    # "turned" is a figure that faces elsewhere: its bones are those of MIXAMO, its object is turned.
    rig = make_rig(matrix=matrix if place != "turned" else None, root=place == "plain")
    if place == "turned":
        rig.matrix_world = matrix
        bpy.context.view_layer.update()
    for pose in rig.pose.bones:
        pose.rotation_mode = mode
    bones, arrays = armatures.captured(rig)
    skeleton = wire.skeleton.Skeleton.from_arrays(arrays)
    left, right = (skeleton.heads[bones.names.index(f"mixamorig:{side}UpLeg")] for side in ("Left", "Right"))
    assert left[0] > right[0] and abs(left[1] - right[1]) < 1e-4, "upright, its left on +X"
    assert np.ptp(skeleton.heads[:, 2]) == pytest.approx(1.58, abs=1e-4), "metres"
    made = random_motion(len(skeleton))
    deliver(rig, made)
    expected = heads_of(skeleton, made)
    frame = np.reshape(bones.frame, (3, 3))
    axes, origin = np.array(rig.matrix_world.to_3x3().normalized()), np.array(rig.matrix_world.translation)
    for number in range(len(made)):
        local = (evaluated(rig, bones, 1 + number) - origin) @ axes @ frame.T
        assert np.abs(local - expected[number]).max() <= 1e-5
    assert all(rig.pose.bones[name].rotation_mode == mode for name in bones.names)


def test_what_was_there_stays():
    rig = make_rig()
    own = bpy.data.actions.new("Mine")
    curves, _ = compat.action_curves(rig, own)
    curves.new('pose.bones["mixamorig:Head"].location', index=0).keyframe_points.insert(1, 0.25)
    deliver(rig, random_motion(22))
    assert rig.animation_data.action.name == "Wave" and own.use_fake_user
    (bag,) = compat.bags_of(own)
    assert [curve.data_path for curve in bag.fcurves] == ['pose.bones["mixamorig:Head"].location']
    actions.put_back(rig, "Mine")
    assert rig.animation_data.action == own
    bpy.context.scene.frame_set(5)
    assert rig.pose.bones["mixamorig:Head"].location[0] == pytest.approx(0.25)


def test_loops_go_on_and_contacts_are_marked():
    bpy.context.scene.render.fps = 48
    rig = make_rig()
    bones, _ = armatures.captured(rig)
    made = random_motion(22, 12, loop=True)
    deliver(rig, made)
    action = rig.animation_data.action
    assert action["maquette_seed"] == "7" and action.use_fake_user
    assert tuple(action.frame_range) == (1.0, 25.0), "twelve frames at 24 are twenty-four at 48, and the first again"
    first, again = evaluated(rig, bones, 1), evaluated(rig, bones, 25)
    assert np.abs(again - first - [0, -1, 0]).max() < 1e-5
    third, later = evaluated(rig, bones, 9), evaluated(rig, bones, 9 + 48)
    assert np.abs(later - third - [0, -2, 0]).max() < 1e-4, "and so on, farther each time"
    assert [(one.name, one.frame) for one in action.pose_markers] == [("Left foot", 7)]
    assert action.use_frame_range and getattr(action, "use_cyclic", True)


def test_strips_repeat():
    bpy.context.scene.render.fps = 24
    rig = make_rig()
    bones, _ = armatures.captured(rig)
    deliver(rig, random_motion(22, 12))
    action = rig.animation_data.action
    shown = [evaluated(rig, bones, frame) for frame in (1, 7)]
    actions.to_strip(rig, action, 2.0)
    assert rig.animation_data.action is None
    assert np.abs(evaluated(rig, bones, 7) - shown[1]).max() < 1e-5
    assert np.abs(evaluated(rig, bones, 7 + 11) - shown[1]).max() < 1e-5


def test_previews_play_and_leave():
    bpy.context.scene.render.fps = 24
    rig = make_rig()
    own = bpy.data.actions.new("Mine")
    compat.use_action(rig, own)
    bones, _ = armatures.captured(rig)
    made = random_motion(22, 40)
    options = {**bones.to_options(), "start": 1}
    for count in (32, 40):
        part = wire.motion.Motion(made.rotations[:count], made.root[:count], made.contacts[:count], made.fps)
        assert actions.preview("job", rig.name, options, part)
        assert tuple(rig.animation_data.action.frame_range) == (1.0, count)
    assert actions.discard("job") == "Mine" and rig.animation_data.action == own
    assert [one.name for one in bpy.data.actions] == ["Mine"]
    assert actions.preview("job", rig.name, options, made)
    deliver(rig, made)
    assert sorted(one.name for one in bpy.data.actions) == ["Mine", "Wave"] and own.use_fake_user
    assert not actions.preview("job", "nothing", options, made)


def test_what_cannot_be_keyed_is_refused():
    rig = make_rig()
    made = random_motion(22)
    with pytest.raises(wire.errors.BadRequest, match="joints"):
        deliver(rig, random_motion(21))
    options = armatures.captured(rig)[0].to_options()
    rig.data.bones["mixamorig:Head"].name = "Skull"
    with pytest.raises(wire.errors.BadRequest, match="mixamorig:Head"):
        deliver(rig, made, **options)
    with pytest.raises(wire.errors.BadRequest):
        Bones.from_options({"bones": ["a"]})
    rig.scale = (1, 1, -1)
    bpy.context.view_layer.update()
    with pytest.raises(wire.errors.BadRequest, match="mirrored"):
        armatures.captured(rig)
    rig.scale = (1, 2, 1)
    bpy.context.view_layer.update()
    with pytest.raises(wire.errors.BadRequest, match="differently"):
        armatures.captured(rig)
    assert len(bpy.data.actions) == 0


@pytest.mark.parametrize("mode", ["QUATERNION", "XZY", "AXIS_ANGLE"])
def test_an_action_goes_out_as_it_came_in(mode):
    bpy.context.scene.render.fps = 24
    rig = make_rig(matrix=PLACES["an FBX of Mixamo"])
    for pose in rig.pose.bones:
        pose.rotation_mode = mode
    bones, _ = armatures.captured(rig)
    made = random_motion(22)
    deliver(rig, made)
    rotations, root = motion.played(rig, rig.animation_data.action, bones)
    same = np.abs((rotations * made.rotations).sum(-1))
    assert same.min() > 1 - 1e-5 and np.abs(root - made.root).max() < 1e-5


@pytest.mark.parametrize("naming", ["mixamo", "rigify", "unreal", "blender"])
def test_roles_are_guessed_in_every_naming(naming):
    table = dict(zip(MIXAMO, wire.naming.named(list(MIXAMO), naming), strict=True))
    rig = make_rig(names=table.__getitem__)
    bones, arrays = armatures.captured(rig)
    roles = wire.skeleton.read_names(arrays["joint_roles"], "joint_roles")
    assert dict(zip(roles, bones.names, strict=True)) == table
    assert bonemaps.guessed(rig) == table


def test_our_own_bones_say_what_they_are():
    rig = make_rig(names=lambda name: f"zz {MIXAMO_ORDER.index(name)}")
    for number, name in enumerate(MIXAMO):
        rig.data.bones[f"zz {number}"][armatures.JOINT_PROPERTY] = name
    bones, arrays = armatures.captured(rig)
    roles = wire.skeleton.read_names(arrays["joint_roles"], "joint_roles")
    assert [f"zz {MIXAMO_ORDER.index(role)}" for role in roles] == list(bones.names) and roles[0] == "Hips"


def test_maps_are_kept_and_used(tmp_path):
    rig = make_rig(names=lambda name: f"zz {MIXAMO_ORDER.index(name)}")
    with pytest.raises(wire.errors.BadRequest):
        bonemaps.choose(rig, "odd", tmp_path)
    table = {name: f"zz {number}" for number, name in enumerate(MIXAMO)}
    bonemaps.save("odd", table, tmp_path)
    assert bonemaps.names(tmp_path) == [*bonemaps.READY, "odd"]
    bonemaps.choose(rig, "odd", tmp_path)
    bones, arrays = armatures.captured(rig, bonemaps.of(rig, tmp_path))
    roles = wire.skeleton.read_names(arrays["joint_roles"], "joint_roles")
    assert dict(zip(roles, bones.names, strict=True)) == table
    for name, wrong in (("mixamo", {}), ("../odd", {}), ("fine", {"Tail": "tail"})):
        with pytest.raises(wire.errors.BadRequest):
            bonemaps.save(name, wrong, tmp_path)
    (tmp_path / "odd.json").write_text("[1]")
    with pytest.raises(wire.errors.BadRequest, match="odd"):
        bonemaps.load("odd", tmp_path)
    bonemaps.delete("odd", tmp_path)
    assert bonemaps.names(tmp_path) == list(bonemaps.READY)


def test_euler_angles_become_the_turns_that_blender_makes():
    random = np.random.default_rng(3).normal(0, 1, (5, 3))
    for order in ("XYZ", "ZYX", "YXZ"):
        ours = matrices(motion._of_euler(random, order))
        theirs = np.array([Euler(angles, order).to_matrix() for angles in random])
        assert np.abs(ours - theirs).max() < 1e-6
