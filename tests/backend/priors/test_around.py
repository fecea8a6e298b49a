# SPDX-License-Identifier: GPL-3.0-or-later
"""Inpainting checkpoints of nine channels: what they are shown is what diffusers' own pipeline would show them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from backend.priors.around import around
from backend.priors.catalog import load
from backend.priors.loading import load_pipeline


@pytest.fixture(scope="module")
def folder(public_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genuine inpainting folder: the class of its pipeline says so too."""
    copy = tmp_path_factory.mktemp("around") / "inpaint"
    shutil.copytree(public_folders["inpainting"], copy)
    index = json.loads((copy / "model_index.json").read_text())
    index["_class_name"] = "StableDiffusionInpaintPipeline"
    (copy / "model_index.json").write_text(json.dumps(index))
    return copy


def test_the_network_sees_what_the_pipeline_would_show_it(folder: Path) -> None:
    prior, pipeline = load(str(folder), dtype=torch.float32), load_pipeline(folder, torch.float32)
    size, side = prior.traits.resolution, prior.traits.latent_shape[-1]
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 3, size, size, generator=generator)
    hole = torch.zeros(2, 1, size, size)
    hole[:, :, : size // 2, : size // 4] = 1.0
    x = torch.randn(2, *prior.traits.latent_shape, generator=generator)
    t, text = torch.tensor([500, 500]), prior.embed(["a red cube"]).expand(2)
    got = around(prior, pictures, hole).network(x, t, text, None)

    masked = (pictures * 2 - 1) * (hole < 0.5)
    mask = torch.nn.functional.interpolate(hole, size=(side, side))
    with torch.no_grad():
        known = pipeline.vae.encode(masked).latent_dist.mode() * pipeline.vae.config.scaling_factor
        truth = pipeline.unet(torch.cat([x, mask, known], 1), t, encoder_hidden_states=text.tokens)[0]
    torch.testing.assert_close(got, truth, atol=1e-4, rtol=1e-4)

    inside = torch.where(hole > 0.5, torch.rand_like(pictures), pictures)  # what the hole holds has no say
    torch.testing.assert_close(around(prior, inside, hole).network(x, t, text, None), got)
    # Guidance asks for the same views twice over.
    twice = around(prior, pictures, hole).network(x.repeat(2, 1, 1, 1), t.repeat(2), text[[0, 1, 0, 1]], None)
    torch.testing.assert_close(twice, got.repeat(2, 1, 1, 1), atol=1e-5, rtol=1e-4)


def test_without_pictures_nothing_is_known_and_others_stay_as_they_are(folder: Path, public_folders) -> None:
    prior = load(str(folder), dtype=torch.float32)
    size = prior.traits.resolution
    assert prior.sample("a red cube", steps=2).shape == (1, 3, size, size)
    everything = around(prior, torch.rand(1, 3, size, size), torch.ones(1, 1, size, size))
    assert torch.equal(everything.sample("a red cube", steps=2), prior.sample("a red cube", steps=2))
    plain = load(str(public_folders["sd1"]), dtype=torch.float32)
    assert around(plain, torch.rand(1, 3, size, size), torch.ones(1, 1, size, size)) is plain
