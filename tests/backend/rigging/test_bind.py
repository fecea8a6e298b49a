# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights: complete, smooth, sparse and where they belong, also on meshes that defeat other methods."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.avatar.body import body_asset
from backend.rigging.bind import bind, strongest
from backend.rigging.bones import Bones
from backend.rigging.posing import pose, rotation_vectors, skin
from backend.rigging.transfer import skeleton_of
from protocol.errors import BadRequest, Cancelled


def cylinder():
    made = trimesh.creation.cylinder(radius=0.2, height=2.0, sections=24)
    made = made.subdivide().subdivide().subdivide()
    return made.vertices, made.faces.astype(np.int64)


def two_bones():
    bones = Bones()
    bones.chain(["A", "B"], "", np.array([[0, 0, -1.0], [0, 0, 0], [0, 0, 1.0]]))
    return bones.skeleton()


def test_a_cylinder_with_two_bones():
    vertices, faces = cylinder()
    bound = bind(vertices, faces, two_bones(), 64)
    upper = bound.weights.dense(2)[:, 1]
    z = vertices[:, 2]
    assert np.abs(bound.weights.values.sum(1) - 1).max() < 1e-5
    assert upper[z > 0.6].min() > 0.97 and upper[z < -0.6].max() < 0.03
    heights = np.unique(np.round(z, 6))
    levels = [upper[np.abs(z - height) < 1e-5].mean() for height in heights]
    assert (np.diff(levels) >= -1e-3).all() and 0.4 < levels[int(np.abs(heights).argmin())] < 0.6
    assert np.array_equal(bind(vertices, faces, two_bones(), 64).weights.values, bound.weights.values)


@pytest.mark.parametrize("kind", ["soup", "holes", "turned over", "far and tiny"])
def test_damage_changes_little(kind):
    vertices, faces = cylinder()
    skeleton = two_bones()
    want = bind(vertices, faces, skeleton, 64).weights.dense(2)
    rng = np.random.default_rng(0)
    if kind == "soup":
        loose = vertices[faces.ravel()] + rng.normal(0, 4e-4, (faces.size, 3))
        found, want = bind(loose, np.arange(faces.size).reshape(-1, 3), skeleton, 64), want[faces.ravel()]
    elif kind == "holes":
        found = bind(vertices, faces[rng.random(len(faces)) > 0.1], skeleton, 64)
    elif kind == "turned over":
        found = bind(vertices, np.where(rng.random((len(faces), 1)) < 0.2, faces[:, ::-1], faces), skeleton, 64)
    else:
        bones = Bones()
        bones.chain(["A", "B"], "", np.array([[0, 0, -1.0], [0, 0, 0], [0, 0, 1.0]]) * 0.01 + [3, -2, 1])
        found = bind(vertices * 0.01 + [3, -2, 1], faces, bones.skeleton(), 64)
    assert np.abs(found.weights.dense(2) - want).sum(1).mean() < 0.1
    assert (found.weights.values.sum(1) > 0.999).all()


def test_loose_vertices_and_rigid_props():
    vertices, faces = cylinder()
    button = trimesh.creation.icosphere(subdivisions=2, radius=0.06)
    count = len(vertices)
    points = np.concatenate([vertices, button.vertices + [0.3, 0, 0.7], [[40.0, 0, 0]]])
    bound = bind(points, np.concatenate([faces, button.faces + count]), two_bones(), 64)
    dense = bound.weights.dense(2)
    assert bound.facts["loose_vertices"] == 1 and dense[-1].sum() == pytest.approx(1)
    assert (dense[count:-1, 1] == 1).all() and bound.facts["rigid_parts"] == 1


def test_a_skeleton_elsewhere_is_refused_and_a_stop_is_heard():
    vertices, faces = cylinder()
    with pytest.raises(BadRequest, match="does not stand where the mesh is"):
        bind(vertices + [10, 0, 0], faces, two_bones(), 64)

    def stop():
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        bind(vertices, faces, two_bones(), 64, stop)


def test_hand_made_weights_of_the_body():
    """The bar is 0.35; every fourth joint of 52 is a finger's."""
    asset = body_asset()
    body = asset.evaluate()
    truth = np.zeros((len(body.vertices), len(asset.names)))
    np.add.at(truth, (np.arange(len(truth))[:, None], asset.weight_joints), asset.weights)
    bound = bind(body.vertices, asset.triangles, skeleton_of(body), 112)
    own = bound.weights.dense(len(asset.names))
    assert np.abs(own - truth).sum(1).mean() < 0.35
    assert (own > 0).sum(1).max() <= 4 and np.abs(own.sum(1) - 1).max() < 1e-5
    assert bound.facts["refined"] == ["LeftHand", "RightHand"]
    rng = np.random.default_rng(1)
    transforms = pose(skeleton_of(body), rotation_vectors(rng.normal(0, 0.35, (1, 52, 3))))
    away = skin(body.vertices, bound.weights, transforms)[0] - body.skin(transforms[0])
    assert np.linalg.norm(away, axis=1).mean() < 0.0025 * np.linalg.norm(np.ptp(body.vertices, axis=0))


def test_strongest():
    values = np.array([[0.4, 0.3, 0.2, 0.06, 0.04], [1.0, 0.005, 0, 0, 0]])
    kept = strongest(values)
    assert kept.values[0].tolist() == pytest.approx([0.4 / 0.96, 0.3 / 0.96, 0.2 / 0.96, 0.06 / 0.96])
    assert kept.values[1].tolist() == [1, 0, 0, 0] and kept.joints[1].tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="no weights"):
        strongest(np.zeros((1, 3)))
