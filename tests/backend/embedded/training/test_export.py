# SPDX-License-Identifier: GPL-3.0-or-later
"""Exported folders load by the real diffusers classes and predict what the averaged network predicted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, IFPipeline, StableDiffusionPipeline

from backend.embedded.training.autoencoder import AutoencoderSettings, build_autoencoder
from backend.embedded.training.dataset import ShardFolder
from backend.embedded.training.diffusion import SIZES, Condition, build_network, predict
from backend.embedded.training.export import export_latent, export_pixel, model_card, replace_folder
from backend.embedded.training.loop import LoopSettings, Trainer
from backend.embedded.training.pixel_prior import PixelPrior, PixelSettings
from backend.embedded.training.recipes import averaged_weights

CPU = torch.device("cpu")


@pytest.fixture
def condition() -> Condition:
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randn(2, 24, 384, generator=generator)
    return Condition(torch.randn(2, 395, generator=generator), tokens, torch.ones(2, 24, dtype=torch.bool))


def test_a_run_becomes_an_if_folder_with_the_same_predictions(data: Path, tmp_path: Path, empty, condition) -> None:
    recipe = PixelPrior(PixelSettings(size="tiny"), empty, CPU, pixels=16)
    run = Trainer(recipe, ShardFolder(data), tmp_path / "run", LoopSettings(batch=4, warmup=2, log_every=2), CPU)
    run.run(steps=4)
    average = run.averaged()
    card = model_card("Title", "Does.", tmp_path / "run", data, 1000, "a test")
    export_pixel(build_network(SIZES["tiny"], 4, 8, 16), averaged_weights(tmp_path / "run" / "checkpoint.pt"),
                 tmp_path / "out", card)  # fmt: skip
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "out", local_files_only=True)
    assert isinstance(pipeline, IFPipeline) and pipeline.text_encoder is None
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.scheduler.config.beta_schedule == "squaredcos_cap_v2"
    x, t = torch.randn(2, 4, 16, 16), torch.tensor([50, 800])
    with torch.no_grad():
        loaded, original = predict(pipeline.unet, x, t, condition), predict(average, x, t, condition)
    assert original.abs().max() > 0.01
    assert torch.allclose(loaded, original, atol=5e-3)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "samples seen | 16" in text and "red" in text and "GPL-3.0" in text
    index = json.loads((tmp_path / "out" / "model_index.json").read_text())
    assert index["_class_name"] == "IFPipeline"


def test_the_latent_prior_becomes_a_stable_diffusion_folder(tmp_path: Path, condition) -> None:
    torch.manual_seed(0)
    net = build_network(SIZES["tiny"], 8, 8, 16)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.05)
    vae = build_autoencoder(AutoencoderSettings(channels=(8, 8, 8), crop=16)).eval()
    picture = torch.rand(1, 4, 16, 16) * 2 - 1
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        latents = vae.encode(picture).latent_dist.mean
        x, t = torch.randn(2, 8, 16, 16), torch.tensor([50, 800])
        v = predict(net.eval(), x, t, condition)
    export_latent(build_network(SIZES["tiny"], 8, 8, 16), weights, vae, tmp_path / "out", "card")
    # Unlike IF, this class has no optional text encoder: the caller brings its own, or none.
    pipeline = DiffusionPipeline.from_pretrained(
        tmp_path / "out", text_encoder=None, tokenizer=None, local_files_only=True
    )
    assert isinstance(pipeline, StableDiffusionPipeline)
    assert pipeline.vae.config.scaling_factor == 1.0 and pipeline.vae_scale_factor == 4
    with torch.no_grad():
        assert torch.allclose(pipeline.vae.encode(picture).latent_dist.mean, latents, atol=1e-2)
        assert torch.allclose(predict(pipeline.unet, x, t, condition), v, atol=5e-2)


def test_a_failed_export_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    replace_folder(target, lambda folder: (folder / "a").write_text("old"))

    def fail(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise OSError("no space left on device")

    with pytest.raises(OSError):
        replace_folder(target, fail)
    assert (target / "a").read_text() == "old"
    replace_folder(target, lambda folder: (folder / "a").write_text("new"))
    assert (target / "a").read_text() == "new"
