# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole judgement of one object: the truth passes, and each fault shows in the figure that is about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.embedded.objects import ProceduralObject, Recipe, build
from tests.benchmarks.judging import judge, truth_subject
from tests.benchmarks.subjects import Subject

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def thing() -> ProceduralObject:
    return build(Recipe("duck", "yellow"), np.random.default_rng(1))


@pytest.fixture(scope="module")
def truth(thing) -> Subject:
    return truth_subject(thing)


def test_the_truth_passes(thing, truth):
    judged = judge(truth, thing, seed=1)
    figures = judged.figures
    assert figures["f_score"] > 0.99 and figures["iou"] > 0.95
    assert figures["delta_e"] < 4.0 and figures["common_mask"] > 0.9
    assert figures["views_right"] == 1.0 and figures["azimuth_error_degrees"] < 5.0 and not figures["janus"]
    assert figures["views_telling"] > 0.5
    assert judged.judge_views.shape[1:] == (96, 96, 3) and judged.sheet_views.shape == (4, 112, 112, 4)


def test_a_turned_object_keeps_its_shape_and_loses_its_sides(thing, truth):
    x, y, z = truth.vertices.T
    turned = replace(truth, vertices=np.stack([-x, -y, z], axis=1))
    figures = judge(turned, thing, seed=1).figures
    assert figures["f_score"] > 0.99 and abs(abs(figures["aligned_turn_degrees"]) - 180.0) < 5.0
    assert figures["views_right"] < 0.6 and figures["azimuth_error_degrees"] > 90.0 and figures["janus"]


def test_a_wrong_colour_shows_in_the_colour_error_only(thing, truth):
    figures = judge(replace(truth, colours=np.full_like(truth.vertices, 0.2)), thing, seed=1).figures
    assert figures["delta_e"] > 30.0 and figures["f_score"] > 0.99


def test_an_open_mesh_is_told(thing, truth):
    health = judge(replace(truth, faces=truth.faces[10:]), thing, seed=1).figures["health"]
    assert not health["closed"] and health["open_edges"] > 0
