# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching a prior learn: sample sheets beside the truth, and the azimuth read back from samples.

The loss says little about what distillation needs. Two things do: pictures one can look at, and whether a sample that
was asked for at some azimuth resembles the true view at that azimuth more than the other true views. The second is
one number in degrees: 0 is perfect, 90 is a prior that ignores the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .conditioning import class_numbers, pictures, view_numbers
from .dataset import Batch, ShardFolder
from .diffusion import Condition, NoiseSchedule, sample

TURN = 12  # true views an object, 30 degrees apart
SHOWN = 6  # every second one is sampled


@dataclass(frozen=True)
class WatchSet:
    """Fixed objects with TURN true views each: `batch` holds objects * TURN samples in order, first wording each."""

    batch: Batch
    captions: list[str]

    @classmethod
    def open(cls, folder: Path) -> WatchSet:
        """Read the folder that `dataset.write_watch` wrote (`folder` is the data folder)."""
        shards = ShardFolder(folder, ["watch"])
        count = len(shards)
        batch = shards.gather(np.arange(count), np.zeros(count))
        return cls(batch, [shards.shards[0].caption(i) for i in range(0, count, TURN)])


def read_back(samples: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Azimuth errors and how much each object varies.

    `samples` (N, SHOWN, C, H, W) were asked for at every second azimuth of `truth` (N, TURN, C, H, W). Returns errors
    (N, SHOWN) in degrees, 0..180, to the nearest true view, and the mean squared difference (N,) between the true
    views of an object and their mean: solids of revolution have nothing to read back.
    """
    distance = (samples[:, :, None] - truth[:, None]).square().flatten(3).mean(-1)
    nearest = distance.argmin(-1)
    asked = torch.arange(SHOWN, device=samples.device) * (TURN // SHOWN)
    apart = (nearest - asked[None]).remainder(TURN)
    errors = torch.minimum(apart, TURN - apart).float() * (360.0 / TURN)
    variation = (truth - truth.mean(1, keepdim=True)).square().flatten(1).mean(-1)
    return errors, variation


def tiles(rows: torch.Tensor, scale: int) -> Image.Image:
    """Pictures (R, K, 4, H, W) in -1..1, colour already over grey, as one image with `scale` times larger pixels."""
    grid = ((rows[:, :, :3] + 1) * 127.5).round().clamp(0, 255).byte().cpu()
    r, k, c, h, w = grid.shape
    array = grid.permute(0, 3, 1, 4, 2).reshape(r * h, k * w, c).numpy()
    return Image.fromarray(array).resize((k * w * scale, r * h * scale), Image.Resampling.NEAREST)


@torch.no_grad()
def draw_sheet(
    network: torch.nn.Module, schedule: NoiseSchedule, watch: WatchSet, empty: tuple[torch.Tensor, torch.Tensor],
    path: Path, device: torch.device, guidance: float = 3.0, steps: int = 20, clip: float = 1.0,
    latent_shape: tuple[int, int, int] | None = None, decode: Callable[[torch.Tensor], torch.Tensor] | None = None,
    scale: int = 3,
) -> dict[str, Any]:  # fmt: skip
    """Sample every watched object at SHOWN azimuths (albedo), write truth and samples in alternate rows to `path`.

    A latent prior says what it samples by `latent_shape` (C, H, W) and how that becomes a picture by `decode`.
    Returns the mean azimuth error over the objects that vary, and the mean squared error to the truth.
    """
    batch = watch.batch.to(device)
    objects = len(watch.captions)
    light = torch.zeros(len(batch.views), 3, device=device)
    truth = pictures(batch.albedo, batch.normals, light).unflatten(0, (objects, TURN))
    keep = torch.arange(len(batch.views), device=device).view(objects, TURN)[:, :: TURN // SHOWN].reshape(-1)
    views = view_numbers(batch.views[keep, 0], batch.views[keep, 1], batch.views[keep, 2])
    asked = Condition(class_numbers(views, batch.sentence[keep]), batch.tokens[keep], batch.mask[keep])
    dropped = torch.ones(len(keep), dtype=torch.bool, device=device)
    unasked = Condition(
        class_numbers(views, batch.sentence[keep], dropped),
        empty[0].expand(len(keep), -1, -1),
        empty[1].expand(len(keep), -1),
    )
    generator = torch.Generator(device=device).manual_seed(7)
    shape = (len(keep), *(latent_shape or tuple(truth.shape[2:])))
    with torch.autocast(device.type, dtype=torch.bfloat16):
        drawn = sample(network, schedule, asked, unasked, shape, generator, guidance, steps, clip)
        if decode is not None:
            drawn = decode(drawn).clamp(-1, 1)
    drawn = drawn.unflatten(0, (objects, SHOWN))
    errors, variation = read_back(drawn, truth)
    rows = torch.stack([truth[:, :: TURN // SHOWN], drawn], dim=1).flatten(0, 1)
    half = (len(rows) + 1) // 4 * 2  # training objects left, held-out ones right
    sheet = torch.cat([rows[:half], rows[half:]], dim=1) if len(rows) % 4 == 0 else rows
    tiles(sheet, scale).save(path)
    varied = variation > 0.01
    per_object = [round(float(e), 1) for e in errors.mean(1)]
    return {
        "azimuth_error": round(float(errors[varied].mean()), 1) if bool(varied.any()) else None,
        "azimuth_error_by_object": list(zip(watch.captions, per_object, strict=True)),
        "sample_error": round(float((drawn - truth[:, :: TURN // SHOWN]).square().mean()), 4),
    }
