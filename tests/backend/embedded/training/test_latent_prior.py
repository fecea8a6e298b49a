# SPDX-License-Identifier: GPL-3.0-or-later
"""The fine prior: it begins as the pixel prior on its first four channels, and reads encoded shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from backend.embedded.training.autoencoder import AutoencoderSettings, build_autoencoder
from backend.embedded.training.diffusion import SIZES, Condition, build_network, predict
from backend.embedded.training.latent_prior import (
    LatentFolder,
    LatentPrior,
    LatentSettings,
    autoencoder_key,
    encode_shard,
    expanded,
)
from backend.embedded.training.loop import LoopSettings, Trainer

CPU = torch.device("cpu")


def small_autoencoder():
    torch.manual_seed(1)
    return build_autoencoder(AutoencoderSettings(channels=(8, 8, 8), crop=16)).eval()


def test_expanded_weights_repeat_the_pixel_prior_and_ignore_new_channels() -> None:
    torch.manual_seed(0)
    pixel = build_network(SIZES["tiny"], 4, 8, 16).eval()
    with torch.no_grad():
        for parameter in pixel.parameters():
            parameter.normal_(0, 0.1)
    fine = build_network(SIZES["tiny"], 8, 8, 16).eval()
    fine.load_state_dict(expanded(pixel.state_dict()))
    asked = Condition(torch.randn(2, 395), torch.randn(2, 24, 384), torch.ones(2, 24, dtype=torch.bool))
    x, t = torch.randn(2, 8, 16, 16), torch.tensor([100, 700])
    with torch.no_grad():
        v = predict(fine, x, t, asked)
        assert torch.allclose(v[:, :4], predict(pixel, x[:, :4], t, asked), atol=1e-5)
    assert v[:, 4:].abs().max() == 0


def test_encoded_shards_hold_the_view_unlit_and_lit_and_resume_by_name(data: Path, tmp_path: Path, empty) -> None:
    vae = small_autoencoder()
    key = autoencoder_key(vae)
    assert len(LatentFolder(data, key)) == 0
    encode_shard(data / "shard-00001", vae, key, CPU)
    shards = LatentFolder(data, key)
    assert shards.names == ["shard-00001"] and len(shards) == 32
    batch = shards.gather(np.arange(32), np.zeros(32))
    assert batch.albedo.shape == (32, 2, 8, 4, 4)
    assert torch.allclose(batch.normals.norm(dim=-1), torch.ones(32), atol=1e-5)
    assert not torch.equal(batch.albedo[:, 0], batch.albedo[:, 1])
    before = (data / "shard-00001" / f"latents-{key}.npz").stat().st_mtime_ns
    encode_shard(data / "shard-00001", vae, key, CPU)
    assert (data / "shard-00001" / f"latents-{key}.npz").stat().st_mtime_ns == before

    def trainer() -> Trainer:
        torch.manual_seed(2)
        recipe = LatentPrior(LatentSettings(size="tiny"), empty, vae, CPU)
        return Trainer(recipe, LatentFolder(data, key), tmp_path / "run", LoopSettings(batch=2, warmup=2), CPU)

    trainer().run(steps=2)
    encode_shard(data / "shard-00000", vae, key, CPU)
    resumed = trainer()
    assert resumed.step == 2 and resumed.shards.names == ["shard-00001"]
    resumed.one_step()
    assert all(torch.isfinite(p).all() for p in resumed.parameters)
    resumed.shards.rescan()
    assert resumed.shards.names == ["shard-00001", "shard-00000"]


def test_another_autoencoder_has_another_key() -> None:
    vae = small_autoencoder()
    key = autoencoder_key(vae)
    with torch.no_grad():
        next(vae.parameters())[0] += 1e-3
    assert autoencoder_key(vae) != key
