# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders without weights: true sizes on no disk, read by the ordinary loader, alive once values are drawn."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from backend.priors import catalog
from backend.priors.loading import safetensors_header
from tests.benchmarks.random_prior import MODELS, networks_of, randomise, write

torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["sd15", "if"])
def test_the_unet_has_the_published_number_of_parameters_and_takes_no_disk(name: str, tmp_path: Path) -> None:
    folder = write(name, tmp_path / name, text=False)
    (weights,) = (folder / "unet").glob("*.safetensors")
    count = sum(math.prod(entry["shape"]) for entry in safetensors_header(weights).values())
    assert count / 1e6 == pytest.approx(MODELS[name].parameters, rel=0.002)
    assert weights.stat().st_size > 2 * count and weights.stat().st_blocks * 512 < 4 << 20


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("filled", [False, True], ids=["holes", "filled"])
def test_it_loads_reads_a_prompt_and_answers_something_finite(name: str, filled: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = write(name, tmp_path / name, torch.float32, tiny=True, filled=filled)
    prior = catalog.load(str(folder), "coarse", "cpu", torch.float32)
    if not filled:
        randomise(*networks_of(prior))
    text = prior.embed(["a red cube"])
    noisy = torch.randn(1, *prior.traits.latent_shape)
    answer = prior.predict(noisy, torch.tensor([500]), text).eps
    assert answer.shape == noisy.shape and bool(answer.isfinite().all()) and float(answer.std()) > 0
    assert torch.isfinite(prior.encode(torch.rand(1, 3, 64, 64))).all()
