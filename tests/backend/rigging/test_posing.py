# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing against SciPy's rotations and a hand-walked chain, in float64."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from backend.rigging.bones import Bones, frame
from backend.rigging.posing import matrices, pose, rigid_inverse, rotation_vectors, skin
from protocol.skeleton import Weights


def test_rotations():
    vectors = np.random.default_rng(0).normal(0, 1.5, (50, 3))
    vectors[0] = 0
    want = Rotation.from_rotvec(vectors)
    assert np.abs(matrices(rotation_vectors(vectors)) - want.as_matrix()).max() < 1e-14
    assert np.abs(matrices(3.0 * rotation_vectors(vectors)) - want.as_matrix()).max() < 1e-14


def test_a_chain_walked_by_hand():
    bones = Bones()
    bones.chain(["A", "B", "C"], "", np.array([[0, 0, 0], [0.3, 0, 1], [0, -0.5, 2], [0, 0, 3.0]]))
    skeleton = bones.skeleton()
    rng = np.random.default_rng(1)
    vectors, root = rng.normal(0, 0.7, (2, 3, 3)), rng.normal(size=(2, 3))
    transforms = pose(skeleton, rotation_vectors(vectors), root)
    points = rng.normal(size=(5, 3))
    weights = Weights(np.tile(np.float32([1, 0, 0, 0]), (5, 1)), np.tile(np.uint16([2, 0, 0, 0]), (5, 1)))
    moved = skin(points, weights, transforms)
    for time in range(2):
        expected = points.copy()
        for joint in (2, 1, 0):  # the last bone turns first, each about its own head at rest
            turn = skeleton.rotations[joint].astype(float)
            about = turn @ Rotation.from_rotvec(vectors[time, joint]).as_matrix() @ turn.T
            head = skeleton.heads[joint].astype(float)
            expected = (expected - head) @ about.T + head
        assert np.abs(moved[time] - expected - root[time]).max() < 1e-5
    assert np.abs(rigid_inverse(transforms) @ transforms - np.eye(4)).max() < 1e-6


def test_frames_bend_about_x():
    for way in ([0, 0, 1], [0, -1, 0.2], [0.6, 0, -1], [1, 0, 0], [-1, 0.1, 0]):
        turn = frame(np.array(way, float))
        assert np.abs(turn.T @ turn - np.eye(3)).max() < 1e-12 and np.linalg.det(turn) > 0
        assert np.allclose(turn[:, 1], np.array(way) / np.linalg.norm(way))
    assert np.allclose(frame(np.array([0.0, 0, -1]))[:, 0], [1, 0, 0])
