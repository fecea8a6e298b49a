# SPDX-License-Identifier: GPL-3.0-or-later
"""The fine prior: a diffusion UNet on the 32 x 32 x 8 latents of 128 px pictures.

Same network, conditioning and noise as the pixel prior, and started from its weights: the first four latent channels
are a 32 px picture, so only the new channels' input and output columns begin at zero. Refining a mesh asks for little
noise, so most time steps are drawn from the clean side. Latents are encoded once per shard and kept beside it under
the autoencoder's own hash: every stored view as albedo and once more under a random light.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL

from .autoencoder import LATENTS
from .conditioning import pictures, sample_lights
from .dataset import Batch, Shard, ShardFolder
from .diffusion import SIZES, Condition, build_network
from .pixel_prior import PixelPrior, PixelSettings
from .watch import WatchSet, draw_sheet

SIDE = 32
LATENT_LIMIT = 3.0  # clean estimates are clipped here while sampling; latents of pictures stay within about 2


def autoencoder_key(vae: AutoencoderKL) -> str:
    """Twelve hex digits that name an autoencoder by its weights."""
    digest = hashlib.sha256()
    for name, value in sorted(vae.state_dict().items()):
        digest.update(name.encode() + value.float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


@torch.no_grad()
def encode_shard(folder: Path, vae: AutoencoderKL, key: str, device: torch.device, batch: int = 16) -> Path:
    """Encode a shard's views, unlit and lit, to `latents-KEY.npz` in its folder, unless they are there already.

    Holds `latents` (N, 2, 8, 32, 32) float16 and `lights` (N, 3) float32, the light of the second variant.
    """
    final = folder / f"latents-{key}.npz"
    if final.exists():
        return final
    albedo, normals = np.load(folder / "albedo.npy", mmap_mode="r"), np.load(folder / "normals.npy", mmap_mode="r")
    generator = torch.Generator(device=device).manual_seed(sum(folder.name.encode()))
    lights = sample_lights(len(albedo), 1.0, generator, device)
    rows = []
    for start in range(0, len(albedo), batch):
        part = slice(start, start + batch)
        colour, normal = (torch.from_numpy(np.array(a[part])).to(device) for a in (albedo, normals))
        both = [pictures(colour, normal, light) for light in (torch.zeros_like(lights[part]), lights[part])]
        seen = torch.cat(both).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            mean = vae.encode(seen).latent_dist.mean
        rows.append(torch.stack(mean.float().chunk(2), dim=1).half().cpu().numpy())
    partial = folder / f".latents-{os.getpid()}.npz"
    np.savez(partial, latents=np.concatenate(rows), lights=lights.cpu().numpy())
    os.replace(partial, final)
    return final


class LatentFolder(ShardFolder):
    """Shards with latents of one autoencoder; shards not encoded yet are left out until a rescan finds them."""

    def __init__(self, folder: Path, key: str, names: Sequence[str] | None = None) -> None:
        self.key = key
        self._latents: dict[str, tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]] = {}
        super().__init__(folder, names)

    def reopen(self, names: Sequence[str]) -> LatentFolder:
        return LatentFolder(self.folder, self.key, names)

    def ready(self) -> list[str]:
        return [name for name in super().ready() if (self.folder / name / f"latents-{self.key}.npz").exists()]

    def latents(self, shard: Shard) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
        """Latents (N, 2, 8, 32, 32) and lights (N, 3) of a shard, read once."""
        if shard.name not in self._latents:
            with np.load(self.folder / shard.name / f"latents-{self.key}.npz") as stored:
                self._latents[shard.name] = (stored["latents"], stored["lights"])
        return self._latents[shard.name]

    def pictures_of(self, shard: Shard, j: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """What `gather` stacks in place of albedo and normals: both latents, and the light of the second."""
        latents, lights = self.latents(shard)
        return latents[j], lights[j]


@dataclass(frozen=True)
class LatentSettings(PixelSettings):
    """As for the pixel prior, with most steps on the clean side."""

    high: tuple[float, float] = (0.02, 0.6)
    high_share: float = 0.7


def expanded(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Pixel-prior weights for eight latent channels: new input columns and output rows are zero."""
    result = dict(weights)
    first = weights["conv_in.weight"]
    new = torch.zeros_like(first).repeat(1, LATENTS // first.shape[1] - 1, 1, 1)
    result["conv_in.weight"] = torch.cat([first, new], dim=1)
    for name in ("conv_out.weight", "conv_out.bias"):
        rows = weights[name].clone()
        rows[first.shape[1] :] = 0
        result[name] = rows
    return result


class LatentPrior(PixelPrior):
    """The recipe for `loop.Trainer`; its batches come from a LatentFolder."""

    name = "latent"

    def __init__(
        self, settings: LatentSettings, empty: tuple[torch.Tensor, torch.Tensor], vae: AutoencoderKL,
        device: torch.device, watch_set: WatchSet | None = None,
    ) -> None:  # fmt: skip
        super().__init__(settings, empty, device, watch_set)
        self.network = build_network(SIZES[settings.size], LATENTS, LATENTS, SIDE)
        self.vae = vae.to(device).eval()

    def examples(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Condition]:
        """In this recipe a batch's `albedo` holds both latents (B, 2, 8, 32, 32) and its `normals` the light (B, 3) of
        the second."""
        count = len(batch.views)
        lit = torch.rand(count, generator=generator, device=self.device) < self.settings.lit_share
        clean = batch.albedo[torch.arange(count, device=self.device), lit.long()].float()
        light = batch.normals * lit[:, None]
        dropped = torch.rand(count, generator=generator, device=self.device) < self.settings.drop_share
        return clean, self.condition(batch, light, dropped)

    @torch.no_grad()
    def watch(self, network: torch.nn.Module, path: Path) -> dict[str, Any]:
        """A sheet of decoded samples beside the truth."""
        if self.watch_set is None:
            return {}

        def decode(latents: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.vae.decode(part).sample.float() for part in latents.split(8)])

        empty = (self.empty_tokens, self.empty_mask)
        return draw_sheet(network, self.schedule, self.watch_set, empty, path, self.device, clip=LATENT_LIMIT,
                          latent_shape=(LATENTS, SIDE, SIDE), decode=decode, scale=1)  # fmt: skip
