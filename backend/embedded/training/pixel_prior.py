# SPDX-License-Identifier: GPL-3.0-or-later
"""The pixel prior: a 32 x 32 text- and camera-conditioned diffusion UNet over colour and alpha.

It sees objects over mid grey with alpha as a fourth channel, so that no object can hide in its background, as plain
albedo in most samples and shaded by one light in the others, told by the `lit` view number. The camera enters as class
embedding and is never dropped; the text is dropped in one sample of ten for classifier-free guidance. Time steps are
drawn with a bias to the noisy side, which is what coarse distillation asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .conditioning import class_numbers, pictures, sample_lights, view_numbers
from .dataset import Batch
from .diffusion import SIZES, Condition, NoiseSchedule, build_network, draw_steps, predict
from .sentences import SentenceEncoder
from .watch import WatchSet, draw_sheet

PIXELS = 32
CHANNELS = 4


@dataclass(frozen=True)
class PixelSettings:
    """How the pixel prior is taught: size of the network, share of shaded pictures, share of dropped text, and that
    `high_share` of the time steps are uniform in `high` (fractions of the schedule), the rest uniform over all."""

    size: str = "small"
    lit_share: float = 0.35
    drop_share: float = 0.1
    high: tuple[float, float] = (0.3, 0.98)
    high_share: float = 0.6

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"unknown size '{self.size}', known: {', '.join(SIZES)}")


def empty_sentence(encode: SentenceEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states (1, 24, 384) and mask (1, 24) of the empty caption, which stands for dropped text."""
    empty = encode([""])
    return empty.tokens, empty.mask


class PixelPrior:
    """The recipe for `loop.Trainer`."""

    name = "pixel"

    def __init__(
        self, settings: PixelSettings, empty: tuple[torch.Tensor, torch.Tensor], device: torch.device,
        watch_set: WatchSet | None = None, pixels: int = PIXELS,
    ) -> None:  # fmt: skip
        self.settings, self.device, self.watch_set = settings, device, watch_set
        # Eight output channels because IFPipeline expects mean and variance; the variance half gets no loss.
        self.network = build_network(SIZES[settings.size], CHANNELS, 2 * CHANNELS, pixels)
        self.schedule = NoiseSchedule(device)
        self.empty_tokens, self.empty_mask = (part.to(device) for part in empty)

    def condition(self, batch: Batch, light: torch.Tensor, dropped: torch.Tensor) -> Condition:
        """What the network is told about `batch` under `light` (B, 3), with the text of `dropped` (B,) rows emptied."""
        views = view_numbers(batch.views[:, 0], batch.views[:, 1], batch.views[:, 2], light)
        return Condition(
            labels=class_numbers(views, batch.sentence, dropped),
            tokens=torch.where(dropped[:, None, None], self.empty_tokens, batch.tokens),
            mask=torch.where(dropped[:, None], self.empty_mask, batch.mask),
        )

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean squared error of v, its value per sample (B,), and t as a fraction of the schedule (B,)."""
        return self.diffusion_loss(*self.examples(batch, generator), generator)

    def examples(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Condition]:
        """Clean pictures or latents (B, C, H, W) of a batch, some lit, and what is told about them."""
        count = batch.albedo.shape[0]
        light = sample_lights(count, self.settings.lit_share, generator, self.device)
        clean = pictures(batch.albedo, batch.normals, light)
        dropped = torch.rand(count, generator=generator, device=self.device) < self.settings.drop_share
        return clean, self.condition(batch, light, dropped)

    def diffusion_loss(
        self, clean: torch.Tensor, condition: Condition, generator: torch.Generator,
        network: torch.nn.Module | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same for ready pictures or latents `clean` (B, C, H, W), and of another network that is called alike."""
        count = clean.shape[0]
        t = draw_steps(count, *self.settings.high, self.settings.high_share, generator, self.device)
        noise = torch.randn(clean.shape, generator=generator, device=self.device)
        noisy, target = self.schedule.mix(clean, noise, t)
        noisy = noisy.to(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            v = predict(network or self.network, noisy, t, condition)
        each = (v - target).square().mean(dim=(1, 2, 3))
        return each.mean(), each, t / 1000.0

    @torch.no_grad()
    def watch(self, network: torch.nn.Module, path: Path) -> dict[str, Any]:
        """A sheet of samples beside the truth and the azimuth read back from them."""
        if self.watch_set is None:
            return {}
        empty = (self.empty_tokens, self.empty_mask)
        return draw_sheet(network, self.schedule, self.watch_set, empty, path, self.device)
