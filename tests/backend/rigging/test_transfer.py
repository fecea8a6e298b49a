# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights from the body: clothes 1 cm off pose as the skin below does, in every pose that an avatar may be made in."""

from __future__ import annotations

import numpy as np
import pytest

from backend.avatar.body import CAVITY, EYE, TONGUE, body_asset
from backend.geometry.mesh import Mesh, vertex_normals
from backend.rigging.bind import strongest
from backend.rigging.posing import pose, rotation_vectors, skin
from backend.rigging.transfer import bind, look_up, skeleton_of, unpose
from protocol.errors import BadRequest

BAR = 0.015  # metres, re-posing error at p99 with 1 cm between cloth and skin


def lowered(body, angle: float) -> np.ndarray:
    """Transforms (J, 4, 4) of the body with its arms lowered by an angle from the A-pose."""
    turns = np.zeros((1, 52, 3))
    for side, sign in (("Left", 1), ("Right", -1)):
        joint = body.asset.joint(f"{side}Arm")
        turns[0, joint] = skeleton_of(body).rotations[joint].T @ [0, sign * angle, 0]
    return pose(skeleton_of(body), rotation_vectors(turns))[0]


@pytest.mark.parametrize("angle", [0.0, 0.73], ids=["A-pose", "arms at the sides"])
def test_clothes_pose_as_the_skin_below(angle):
    body = body_asset().evaluate()
    skeleton, rng = skeleton_of(body), np.random.default_rng(3)
    own = np.repeat(~np.isin(body.asset.face_parts, (EYE, CAVITY, TONGUE)), 2)
    triangles = body.asset.triangles[own][rng.choice(own.sum(), 4000)]
    share = rng.dirichlet(np.ones(3), 4000)
    dense = np.zeros((len(body.vertices), 52))
    np.add.at(dense, (np.arange(len(dense))[:, None], body.asset.weight_joints), body.asset.weights)
    truth = strongest(np.einsum("nk,nkj->nj", share, dense[triangles]))
    normals = np.einsum("nk,nki->ni", share, vertex_normals(body.vertices, body.asset.triangles)[triangles])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rest = np.einsum("nk,nki->ni", share, body.vertices[triangles].astype(float)) + 0.01 * normals
    made = lowered(body, angle)
    blend = np.einsum("vk,vkij->vij", truth.values, made[truth.joints])[:, :3, :3]
    facing = np.einsum("vij,vj->vi", blend, normals)
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    posed = skin(rest, truth, made[None])[0]
    looked = look_up(body, posed, facing, made)
    found = strongest(looked.weights)
    assert looked.sure.mean() > 0.97
    back = unpose(posed, found, made)
    again = pose(skeleton, rotation_vectors(rng.normal(0, 0.35, (5, 52, 3))))
    away = np.linalg.norm(skin(back, found, again) - skin(rest, truth, again), axis=-1)
    assert np.percentile(away, 99) <= BAR
    assert np.percentile(np.linalg.norm(back - rest, axis=1), 95) < 0.003


def test_the_body_itself_and_what_hangs_off_it():
    body = body_asset().evaluate()
    tail = body.vertices[:, 2].max()
    corners = np.array([[0, 0.05, tail], [0.1, 0.4, tail + 0.3], [-0.1, 0.4, tail + 0.3]], np.float32)
    crown = int(body.vertices[:, 2].argmax())
    faces = np.concatenate([body.asset.triangles, [[crown, len(body.vertices) + 1, len(body.vertices) + 2]],
                            [[len(body.vertices), len(body.vertices) + 1, len(body.vertices) + 2]]])
    skeleton, weights = bind(body, Mesh(np.concatenate([body.vertices, corners]), faces))
    dense = weights.dense(52)
    assert (dense[-3:, skeleton.index("Head")] > 0.95).all()  # a crest far above follows the head that it grows from
    truth = np.zeros((len(body.vertices), 52))
    np.add.at(truth, (np.arange(len(truth))[:, None], body.asset.weight_joints), body.asset.weights)
    assert np.abs(dense[:-3] - truth).sum(1).mean() < 0.1
    assert skeleton.rotations[0][:, 1] @ (skeleton.tails[0] - skeleton.heads[0]) > 0.99 * skeleton.lengths[0]
    with pytest.raises(BadRequest, match="around the body"):
        bind(body, Mesh(body.vertices + 5, body.asset.triangles))


def test_unposing_is_the_inverse_where_one_bone_decides():
    body = body_asset().evaluate()
    rng = np.random.default_rng(0)
    transforms = pose(skeleton_of(body), rotation_vectors(rng.normal(0, 0.6, (1, 52, 3))))
    one = np.zeros((300, 52))
    one[np.arange(300), rng.integers(0, 52, 300)] = 1
    points, weights = rng.normal(size=(300, 3)), strongest(one)
    back = unpose(skin(points, weights, transforms)[0], weights, transforms[0])
    assert np.abs(back - points).max() < 1e-6
