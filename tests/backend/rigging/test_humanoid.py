# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of known joints are found again, however they stand; what is not there or not human is told."""

from __future__ import annotations

import numpy as np
import pytest

from backend.avatar.body import EYE, TONGUE, body_asset
from backend.geometry.mesh import compact
from backend.rigging.humanoid import facing, humanoid
from backend.rigging.intake import SIZE, take_in
from backend.rigging.posing import pose, rotation_vectors, skin
from backend.rigging.transfer import skeleton_of
from protocol.errors import BadRequest
from protocol.skeleton import Weights

BAR = 0.022  # of the height
NAMED = ("Hips", "Neck", "Head", *(side + name for side in ("Left", "Right")
         for name in ("Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")))


def person(raised: float, seed: int = 0, bent: float = 0.0):
    """(vertices, faces, joints by name) of a body with its arms raised by an angle from the A-pose."""
    rng = np.random.default_rng(seed)
    asset = body_asset()
    body = asset.evaluate({"gender": rng.random(), "muscle": rng.random(), "weight": rng.random(), "height": 0.6})
    skeleton = skeleton_of(body)
    turns = np.zeros((1, 52, 3))
    for side, sign in (("Left", -1), ("Right", 1)):
        arm = skeleton.index(f"{side}Arm")
        turns[0, arm] = skeleton.rotations[arm].T @ [0, sign * raised, 0]
    knee = skeleton.index("LeftLeg")
    turns[0, knee] = skeleton.rotations[knee].T @ [bent, 0, 0]
    transforms = pose(skeleton, rotation_vectors(turns))
    weights = Weights(asset.weights, asset.weight_joints.astype(np.uint16))
    own = np.repeat(~np.isin(asset.face_parts, (EYE, TONGUE)), 2)
    joints = np.einsum("jab,jb->ja", transforms[0, :, :3, :3], skeleton.heads) + transforms[0, :, :3, 3]
    vertices, faces = compact(skin(body.vertices, weights, transforms)[0], asset.triangles[own])
    return vertices, faces, dict(zip(asset.names, joints, strict=True))


def error(found, given, joints) -> float:
    skeleton = given.turned(found.quarters).frame.outward(found.skeleton)
    height = given.points[:, 2].max() / given.frame.scale
    return float(np.mean([np.linalg.norm(skeleton.heads[skeleton.index(name)] - joints[name])
                          for name in NAMED if name in skeleton.names])) / height


def test_a_person_in_centimetres_far_away_and_turned_round():
    vertices, faces, joints = person(0.6, bent=0.3)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # it looks to +X
    placed = 0.01 * vertices @ turn.T + [20, -7, 3]
    given = take_in(placed, faces)
    found = humanoid(given, 200, False)
    assert error(found, given, {name: 0.01 * place @ turn.T + [20, -7, 3] for name, place in joints.items()}) < BAR
    assert found.confidence > 0.7 and not found.needs_markers and not found.missing


def test_a_missing_forearm_gets_no_bones_and_markers_are_followed():
    vertices, faces, joints = person(0.0, seed=2)
    cut = joints["LeftForeArm"]
    gone = (vertices[:, 0] > cut[0]) & (vertices[:, 2] > joints["LeftUpLeg"][2] - 0.2)
    given = take_in(*compact(vertices, faces[~gone[faces].any(1)]))
    found = humanoid(given, 120, True)
    assert found.missing == ("LeftForeArm",) and "LeftHand" not in found.skeleton.names
    assert "RightHand" in found.skeleton.names and any("left arm was not found" in note for note in found.notes)

    given = take_in(vertices, faces)
    places = {f"{side.lower()}_{mark}": joints[side + name] for side in ("Left", "Right")
              for mark, name in (("elbow", "ForeArm"), ("wrist", "Hand"), ("knee", "Leg"))}
    places |= {"chin": joints["Head"] + [0, -0.05, 0.03], "groin": 0.5 * (joints["LeftUpLeg"] + joints["RightUpLeg"])}
    inward = dict(zip(places, given.frame.inward(np.array(list(places.values()))), strict=True))
    found = humanoid(given, 80, False, fingers=False, markers=inward)
    assert error(found, given, joints) < 0.03 and not found.needs_markers
    assert not any("Index" in name for name in found.skeleton.names)
    inward.pop("chin")
    with pytest.raises(BadRequest, match="chin"):
        humanoid(given, 80, False, markers=inward)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_toes_tell_where_it_looks(quarters):
    vertices, faces, _ = person(0.0)
    given = take_in(vertices, faces).turned(quarters)
    assert facing(given, {}) % 4 == -quarters % 4


def test_frames_lead_back():
    vertices, faces, _ = person(0.0)
    for front in ("-y", "+x", "+y", "-x"):
        given = take_in(3 * vertices + [1, 2, 3], faces, front)
        assert np.ptp(given.vertices, axis=0).max() == pytest.approx(SIZE)
        inward = given.frame.inward(3 * vertices + [1, 2, 3])
        assert np.abs(inward - given.vertices).max() < 1e-9


@pytest.mark.parametrize(("change", "words"), [
    (lambda v: np.where(v > 1.0, np.nan, v), "not finite"),
    (lambda v: v * 0, "no size"),
    (lambda v: v + 1e7, "far from its origin"),
])
def test_what_cannot_be_rigged_is_refused(change, words):
    vertices, faces, _ = person(0.0)
    with pytest.raises(BadRequest, match=words):
        take_in(change(vertices.astype(float)), faces)
