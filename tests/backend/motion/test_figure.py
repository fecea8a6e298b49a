# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures: roles found, missing joints made up for, and keys that pose the joints where the figure says."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion.figure import PLACE, ROLES, Figure
from backend.motion.take import Take, to_motion
from backend.motion.turns import about, angle_of, between, blend, from_six, matrices, quaternions, six, unit
from protocol.errors import BadRequest
from protocol.naming import named
from protocol.skeleton import Skeleton
from tests.backend.motion.skeletons import heads_of, human


def random_turns(*shape: int, seed: int = 0) -> np.ndarray:
    return matrices(np.random.default_rng(seed).normal(size=(*shape, 4)))


def test_rotations_and_back():
    turns = random_turns(200)
    assert np.abs(turns @ np.swapaxes(turns, -1, -2) - np.eye(3)).max() < 1e-12
    assert np.abs(matrices(quaternions(turns)) - turns).max() < 1e-12
    assert np.abs(from_six(six(turns)) - turns).max() < 1e-12
    angles = np.linspace(1e-9, np.pi - 1e-6, 50)
    for axis in "xyz":
        assert np.abs(angle_of(about(axis, angles)) - angles).max() < 1e-7
    assert np.allclose(about("z", np.pi / 2) @ [1, 0, 0], [0, 1, 0]) and np.allclose(about("x", np.pi / 2) @ [0, 1, 0],
                                                                                   [0, 0, 1])


def test_between_takes_one_direction_to_the_other_by_the_smallest_turn():
    random = np.random.default_rng(1)
    a, b = unit(random.normal(size=(2, 300, 3)))
    b[:5] = -a[:5]
    b[5:9] = a[5:9]
    turn = between(a, b)
    assert np.abs((turn @ a[..., None])[..., 0] - b).max() < 1e-9
    assert np.abs(np.cos(angle_of(turn)) - (a * b).sum(-1)).max() < 1e-7
    assert np.abs(np.linalg.det(turn) - 1).max() < 1e-9


def test_blend_goes_the_short_way_at_even_speed():
    a, b = random_turns(2, 40, seed=3)
    whole = angle_of(np.swapaxes(a, -1, -2) @ b)
    for share in (0.0, 0.25, 0.5, 1.0):
        assert np.abs(angle_of(np.swapaxes(a, -1, -2) @ blend(a, b, np.full(40, share))) - share * whole).max() < 1e-6


@pytest.mark.parametrize("naming", ["mixamo", "rigify", "unreal", "blender"])
def test_roles_in_every_naming(naming):
    skeleton = human()
    names = tuple(named(list(ROLES), naming))
    other = Skeleton(skeleton.heads, skeleton.tails, skeleton.rotations, skeleton.parents, names)
    assert (Figure.of(other).role == np.arange(22)).all()


def test_what_is_no_human_is_refused():
    skeleton = human()
    names = ["tail" + str(n) for n in range(22)]
    strange = Skeleton(skeleton.heads, skeleton.tails, skeleton.rotations, skeleton.parents, tuple(names))
    with pytest.raises(BadRequest, match="LeftArm"):
        Figure.of(strange)
    with pytest.raises(BadRequest, match="roles"):
        Figure.of(skeleton, ["Hips"])
    with pytest.raises(BadRequest, match="Two joints"):
        Figure.of(skeleton, ["Hips"] * 22)


@pytest.mark.parametrize("seed", [None, 5])
def test_keys_pose_the_joints_where_the_figure_says(seed):
    figure = Figure.of(human(seed=seed))
    turns = random_turns(6, 22, seed=2)
    root = np.random.default_rng(2).normal(size=(6, 3))
    take = Take(turns, root, np.zeros((6, 4), np.uint8), np.zeros((6, 2)), np.zeros((6, 2)), 30.0)
    motion = to_motion(take, figure, "root_motion")
    expected, _ = figure.positions(turns, root)
    assert np.abs(heads_of(figure.skeleton, motion) - expected).max() < 2e-6
    back, way = figure.turns_of(motion.rotations, motion.root)
    assert np.abs(back - turns).max() < 1e-5 and np.abs(way - root).max() < 1e-6


def test_joints_that_are_not_there_are_made_up_for():
    whole = human()
    kept = [n for n, name in enumerate(ROLES) if name not in ("Spine1", "LeftShoulder", "RightShoulder", "LeftToeBase",
                                                              "RightToeBase", "Neck")]
    parents = []
    for n in kept:
        above = whole.parents[n]
        while above >= 0 and above not in kept:
            above = whole.parents[above]
        parents.append(kept.index(above) if above >= 0 else -1)
    small = Skeleton(whole.heads[kept], whole.tails[kept], whole.rotations[kept], np.array(parents),
                     tuple(ROLES[n] for n in kept))
    figure = Figure.of(small)
    assert np.isfinite(figure.heads).all() and figure.has.sum() == len(kept)
    turns = figure.conform(random_turns(4, 22))
    take = Take(turns, np.zeros((4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 2)), np.zeros((4, 2)), 30.0)
    motion = to_motion(take, figure, "root_motion")
    expected, _ = figure.positions(turns, np.zeros((4, 3)))
    assert np.abs(heads_of(small, motion) - expected[:, kept]).max() < 2e-6


def test_fingers_close_towards_the_palm():
    base = human(spread=0.0)
    names, heads, tails, parents = list(ROLES), list(base.heads), list(base.tails), list(base.parents)
    for side, sign in (("Left", 1), ("Right", -1)):
        hand = PLACE[f"{side}Hand"]
        for finger, y in (("Index", -0.03), ("Pinky", 0.03)):
            names.append(f"{side}Hand{finger}1")
            heads.append(heads[hand] + [sign * 0.08, y, 0])
            tails.append(heads[-1] + [sign * 0.04, 0, 0])
            parents.append(hand)
    figure = Figure.of(Skeleton(np.array(heads), np.array(tails), np.tile(np.eye(3), (26, 1, 1)), np.array(parents),
                                tuple(names)))
    every = figure.all_turns(np.tile(np.eye(3), (1, 22, 1, 1)), np.ones((1, 2)))
    for joint, sign in ((22, 1), (24, -1)):
        bent = every[0, joint] @ [sign, 0, 0]
        assert bent[2] < -0.8 and abs(bent[1]) < 0.05, "palms of a T-pose look down"
