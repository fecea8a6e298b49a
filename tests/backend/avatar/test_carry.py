# SPDX-License-Identifier: GPL-3.0-or-later
"""Hats move as one piece, skirts follow both legs without tearing, skin keeps the weights it had."""

from __future__ import annotations

import numpy as np
import pytest

from backend.avatar.carry import worn_weights
from backend.avatar.dress import dress
from backend.avatar.look import Look, Worn
from protocol.skeleton import Weights


@pytest.fixture(scope="module")
def worn():
    figure = dress(Look({"gender": 1.0}, hair="bald", worn=(Worn("skirt", "blue"), Worn("hat", "red"))))
    vertices, _ = figure.joined()
    part = np.repeat(np.arange(len(figure.parts)), [len(one.vertices) for one in figure.parts])
    source = np.concatenate([one.source for one in figure.parts])
    asset = figure.body.asset
    before = Weights(asset.weights[source], asset.weight_joints[source].astype(np.uint16))
    return figure, vertices, part, before, worn_weights(figure, vertices, part, before)


def number(figure, name):
    return next(i for i, one in enumerate(figure.parts) if one.name == name)


def test_rows_are_weights(worn):
    _, vertices, _, _, after = worn
    assert after.values.shape == (len(vertices), 4) and np.allclose(after.values.sum(1), 1, atol=1e-5)
    assert (after.joints[after.values == 0] == 0).all()


def test_a_hat_follows_the_head_alone(worn):
    figure, _, part, _, after = worn
    hat = after.dense(52)[part == number(figure, "hat")]
    assert (hat[:, figure.body.asset.joint("Head")] == 1).all()


def test_skin_keeps_its_weights(worn):
    _, _, part, before, after = worn
    assert np.allclose(after.dense(52)[part == 0], before.dense(52)[part == 0], atol=1e-6)


def test_a_skirt_minds_both_legs_evenly_and_smoothly(worn):
    figure, vertices, part, _, after = worn
    skirt = number(figure, "skirt")
    weights, places = after.dense(52)[part == skirt], vertices[part == skirt]
    asset = figure.body.asset
    left, right = (weights[:, asset.joint(side + "UpLeg")] + weights[:, asset.joint(side + "Leg")]
                   for side in ("Left", "Right"))
    hem = places[:, 2] < places[:, 2].min() + 0.05
    assert np.allclose((left + right)[hem], 0.7, atol=0.05)
    assert left[hem & (places[:, 0] > 0.15)].min() > right[hem & (places[:, 0] > 0.15)].max()
    triangles = figure.parts[skirt].triangles
    below = places[:, 2] < 0.7 * places[:, 2].max() + 0.3 * places[:, 2].min()
    triangles = triangles[below[triangles].all(1) & (triangles < len(places) - 2).all(1)]  # not the fans at its ends
    step = np.abs(weights[triangles[:, 0]] - weights[triangles[:, 1]]).sum(1)
    assert len(step) > 500 and step.max() < 0.35
