# SPDX-License-Identifier: GPL-3.0-or-later
"""The autoencoder's losses: what they reward, and that training moves the first latents towards the small picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from backend.embedded.training.autoencoder import Autoencoder, AutoencoderSettings, crops, differences
from backend.embedded.training.conditioning import pictures
from backend.embedded.training.dataset import ShardFolder
from backend.embedded.training.loop import LoopSettings, Trainer

CPU = torch.device("cpu")
SETTINGS = AutoencoderSettings(channels=(8, 8, 8), crop=16)


def test_a_perfect_autoencoder_pays_nothing_and_each_fault_costs() -> None:
    coder = Autoencoder(SETTINGS, CPU)
    clean = torch.rand(2, 4, 16, 16) * 2 - 1
    mean = torch.zeros(2, 8, 4, 4)
    mean[:, :4] = torch.nn.functional.avg_pool2d(clean, 4)
    logvar = torch.full((2, 8, 4, 4), 2 * math.log(SETTINGS.noise))
    assert float(coder.terms(clean, clean, mean, logvar).abs().max()) < 1e-6
    off = mean.clone()
    off[:, 1] += 0.4
    assert torch.allclose(coder.terms(clean, clean, off, logvar), torch.full((2,), SETTINGS.constraint * 0.1))
    shifted = coder.terms(clean, clean + 0.1, mean, logvar)
    assert torch.allclose(shifted, torch.full((2,), 0.1), atol=1e-5)  # a shift has no edges
    flat = clean.mean(dim=(2, 3), keepdim=True).expand_as(clean)
    edges = sum(d.abs().flatten(1).mean(1) for d in differences(clean))
    expected = (flat - clean).abs().flatten(1).mean(1) + edges
    assert torch.allclose(coder.terms(clean, flat, mean, logvar), expected, atol=1e-5)


def test_crops_hold_part_of_the_object(data: Path) -> None:
    batch = ShardFolder(data).gather(np.arange(20), np.zeros(20))
    albedo, normals = crops(batch, 8, torch.Generator().manual_seed(0))
    assert albedo.shape == (20, 8, 8, 4) and normals.shape == (20, 8, 8, 3)
    assert bool((albedo[..., 3].flatten(1).max(1).values > 0).all())


def test_training_binds_the_first_latents_to_the_small_picture(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    coder = Autoencoder(SETTINGS, CPU)

    def gap() -> float:
        batch = ShardFolder(data).draw(8, np.random.default_rng(1))
        clean = pictures(batch.albedo, batch.normals, torch.zeros(8, 3))
        with torch.no_grad():
            mean = coder.network.encode(clean).latent_dist.mean
        return float((mean[:, :4] - torch.nn.functional.avg_pool2d(clean, 4)).abs().mean())

    before = gap()
    Trainer(coder, ShardFolder(data), tmp_path, LoopSettings(batch=4, warmup=5, learning_rate=3e-3), CPU).run(steps=30)
    assert gap() < 0.6 * before
