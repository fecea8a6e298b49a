# SPDX-License-Identifier: GPL-3.0-or-later
"""Azimuth read back from samples, and the sheet of a prior that knows the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backend.embedded.training.conditioning import pictures
from backend.embedded.training.dataset import ShardSettings, write_watch
from backend.embedded.training.diffusion import NoiseSchedule
from backend.embedded.training.watch import SHOWN, TURN, WatchSet, draw_sheet, read_back

CPU = torch.device("cpu")


def test_read_back_measures_the_turn_between_samples_and_truth() -> None:
    truth = torch.rand(3, TURN, 4, 6, 6)
    right = truth[:, ::2]
    errors, variation = read_back(right, truth)
    assert errors.shape == (3, SHOWN) and errors.abs().max() == 0
    assert bool((variation > 0.01).all())
    for turn, expected in ((1, 30.0), (6, 180.0), (11, 30.0), (8, 120.0)):
        errors, _ = read_back(truth.roll(-turn, 1)[:, ::2], truth)
        assert torch.all(errors == expected)
    _, still = read_back(truth[:, :1].expand(-1, SHOWN, -1, -1, -1), truth[:, :1].expand(-1, TURN, -1, -1, -1))
    assert still.abs().max() < 1e-10


def test_the_sheet_of_a_perfect_prior_has_no_error(tmp_path: Path, beads, encode, empty) -> None:
    settings = ShardSettings(size=16, objects=4, views=TURN, captions=1, samples=1)
    write_watch(tmp_path, settings, beads(), encode, "cpu")
    watch = WatchSet.open(tmp_path)
    assert len(watch.captions) == 4 and all("bead" in caption for caption in watch.captions)
    schedule = NoiseSchedule(CPU)
    truth = pictures(watch.batch.albedo, watch.batch.normals, torch.zeros(4 * TURN, 3))[::2]

    class Perfect:
        def __call__(self, noisy, t, **_):
            a, b = (s[t][:, None, None, None] for s in (schedule.signal, schedule.noise))
            clean = torch.cat([truth, truth])

            class Out:
                sample = a * (noisy - a * clean) / b.clamp_min(1e-4) - b * clean

            return Out

    numbers = draw_sheet(Perfect(), schedule, watch, empty, tmp_path / "sheet.png", CPU)
    assert numbers["azimuth_error"] == 0.0 and numbers["sample_error"] < 1e-3
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (4 * 16 * 3, 12 * 16 * 3, 3)
    assert np.abs(sheet[:48].astype(int) - sheet[48:96].astype(int)).max() <= 2  # truth above, samples below
