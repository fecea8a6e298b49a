# SPDX-License-Identifier: GPL-3.0-or-later
"""The autoencoder of the fine prior: 128 px colour and alpha to 32 x 32 latents with eight channels, and back.

Its first four latent channels are taught to equal the picture averaged over 4 x 4 pixels, in -1..1, so that the fine
prior may start from the pixel prior's weights and a coarse picture is a valid half of a latent. The other four carry
edges and texture. It is trained on 64 px crops of 128 px renders by L1, an L1 of differences between neighbouring
pixels (edges stay sharp), and the latent constraint; no adversary, no perceptual network. The decoder always sees
latents with a little noise, because those of a diffusion prior are never clean, and the encoder is told to state
exactly that noise as its deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from .conditioning import pictures, sample_lights
from .dataset import Batch, ShardFolder

FACTOR = 4
LATENTS = 8
PICTURE_CHANNELS = 4


@dataclass(frozen=True)
class AutoencoderSettings:
    """Sizes and weights of the losses; `noise` is the deviation added to latents before decoding."""

    channels: tuple[int, int, int] = (24, 48, 48)
    crop: int = 64
    lit_share: float = 0.35
    noise: float = 0.05
    edge: float = 1.0
    constraint: float = 2.0
    spread: float = 0.01

    def __post_init__(self) -> None:
        if self.crop % FACTOR or any(c % 8 for c in self.channels):
            raise ValueError("crop must be a multiple of 4 and channels multiples of 8")


def build_autoencoder(settings: AutoencoderSettings) -> AutoencoderKL:
    """A fresh f4 autoencoder, 4 channels in and out, 8 latent channels, scaling factor 1."""
    vae = AutoencoderKL(
        in_channels=PICTURE_CHANNELS,
        out_channels=PICTURE_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=settings.channels,
        latent_channels=LATENTS,
        norm_num_groups=8,
        sample_size=128,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    return vae.to(memory_format=torch.channels_last)


def differences(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences of horizontal and vertical neighbours of (B, C, H, W)."""
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


def crops(batch: Batch, size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A square crop of each sample's albedo and normals, centred near a random covered pixel where there is one."""
    side = batch.albedo.shape[1]
    albedo, normals = [], []
    for i in range(len(batch.albedo)):
        covered = torch.nonzero(batch.albedo[i, ..., 3] > 0)
        if len(covered):
            pick = int(torch.randint(len(covered), (1,), generator=generator, device=generator.device))
            centre = covered[pick].tolist()
        else:
            centre = [side // 2, side // 2]
        y, x = (min(max(c - size // 2, 0), side - size) for c in centre)
        albedo.append(batch.albedo[i, y : y + size, x : x + size])
        normals.append(batch.normals[i, y : y + size, x : x + size])
    return torch.stack(albedo), torch.stack(normals)


class Autoencoder:
    """The recipe for `loop.Trainer`."""

    name = "autoencoder"

    def __init__(self, settings: AutoencoderSettings, device: torch.device, watch: ShardFolder | None = None) -> None:
        self.settings, self.device, self.watched = settings, device, watch
        self.network = build_autoencoder(settings)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sum of the losses, its value per sample (B,), and the covered share of the crop (B,)."""
        albedo, normals = crops(batch, self.settings.crop, generator)
        light = sample_lights(len(albedo), self.settings.lit_share, generator, self.device)
        clean = pictures(albedo, normals, light).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            posterior = self.network.encode(clean).latent_dist
            mean, logvar = posterior.mean.float(), posterior.logvar.float()
            noise = torch.randn(mean.shape, generator=generator, device=self.device)
            decoded = self.network.decode(mean + self.settings.noise * noise).sample.float()
        each = self.terms(clean, decoded, mean, logvar)
        return each.mean(), each, (clean[:, 3].mean(dim=(1, 2)) + 1) / 2

    def terms(
        self, clean: torch.Tensor, decoded: torch.Tensor, mean: torch.Tensor, logvar: torch.Tensor
    ) -> torch.Tensor:
        """Loss per sample (B,) of pictures in -1..1, their reconstructions, and the encoder's mean and log variance."""
        s = self.settings
        each = (decoded - clean).abs().flatten(1).mean(1)
        for a, b in zip(differences(decoded), differences(clean), strict=True):
            each = each + s.edge * (a - b).abs().flatten(1).mean(1)
        small = torch.nn.functional.avg_pool2d(clean, FACTOR)
        each = each + s.constraint * (mean[:, :PICTURE_CHANNELS] - small).abs().flatten(1).mean(1)
        # A gentle pull keeps the free channels near the range of the others.
        each = each + s.spread * mean[:, PICTURE_CHANNELS:].square().flatten(1).mean(1)
        return each + 1e-3 * (logvar - 2 * math.log(s.noise)).square().flatten(1).mean(1)

    @torch.no_grad()
    def watch(self, network: torch.nn.Module, path: Path) -> dict[str, Any]:
        """Truth, reconstruction and the first four latent channels of some watched views, and their errors."""
        if self.watched is None:
            return {}
        chosen = np.arange(0, len(self.watched), 5)
        batch = self.watched.gather(chosen, np.zeros(len(chosen))).to(self.device)
        light = torch.zeros(len(chosen), 3, device=self.device)
        light[::2, 2] = 1.0
        clean = pictures(batch.albedo, batch.normals, light)
        mean = network.encode(clean).latent_dist.mean
        decoded = network.decode(mean).sample
        small = torch.nn.functional.avg_pool2d(clean, FACTOR)
        coarse = torch.nn.functional.interpolate(mean[:, :PICTURE_CHANNELS], scale_factor=FACTOR, mode="nearest")
        rows = torch.stack([clean, decoded, coarse])[:, :8, :3]
        picture = ((rows + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 3, 1, 4, 2)
        r, h, k, w, c = picture.shape
        Image.fromarray(picture.reshape(r * h, k * w, c).cpu().numpy()).save(path)
        error = (decoded - clean).square().mean()
        return {
            "psnr": round(float(10 * torch.log10(4.0 / error)), 2),
            "constraint_rms": round(float((mean[:, :PICTURE_CHANNELS] - small).square().mean().sqrt()), 4),
            "free_deviation": round(float(mean[:, PICTURE_CHANNELS:].std()), 3),
        }
