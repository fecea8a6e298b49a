# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded segmenter on held-out renders: what clicks mean is found, obeyed, and always the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.segmentation.base import grown, read_clicks
from backend.segmentation.choice import segmenter_of
from backend.segmentation.colours import ColourSegmenter
from tests.benchmarks.segmenting import click_by_click, overlap, scene

torch.set_num_threads(1)


def test_renders_of_held_out_things_are_found():
    scores = [click_by_click(scene(kind, 128, seed), ColourSegmenter(), 2)[0]
              for kind in ("alone", "wall") for seed in (2, 3, 5)]
    first, second = np.mean(scores, 0)
    assert first > 0.7 and second > 0.85


def test_clicks_are_obeyed_and_the_answer_is_the_same_again():
    one = scene("crowd", 128, 3)
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.uniform(4, 124, (9, 2)), (np.arange(9) % 3 == 0)[:, None]], 1).astype(np.float32)
    clicks = read_clicks(rows, 128, 128)
    mask = ColourSegmenter().segment(one.picture, clicks)
    x, y = clicks.columns_and_rows()
    assert (mask[y, x] == clicks.inside).all()
    assert (ColourSegmenter().segment(one.picture, clicks) == mask).all()


@pytest.mark.parametrize("picture", [
    np.full((40, 60, 3), 128, np.uint8), np.zeros((2, 300, 3), np.uint8), np.full((300, 2, 3), 255, np.uint8),
    np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8),
])
def test_pictures_without_sense_give_an_answer(picture):
    height, width = picture.shape[:2]
    clicks = read_clicks(np.array([[width - 1, height - 1, 1]], np.float32), width, height)
    mask = ColourSegmenter().segment(picture, clicks)
    assert mask.shape == (height, width) and mask.dtype == bool and mask[height - 1, width - 1]


def test_masks_grow_and_shrink():
    mask = np.zeros((21, 21), bool)
    mask[8:13, 8:13] = True
    assert grown(mask, 2)[6, 10] and not grown(mask, 2)[5, 10]
    assert grown(mask, -2).sum() == 1 and (grown(mask, 0) == mask).all()


def test_the_embedded_one_is_the_default():
    assert "embedded" in segmenter_of("", torch.device("cpu")).name
    assert overlap(np.ones((2, 2), bool), np.eye(2, dtype=bool)) == 0.5
