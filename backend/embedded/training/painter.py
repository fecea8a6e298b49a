# SPDX-License-Identifier: GPL-3.0-or-later
"""The painting prior: a pixel prior and its control network, taught together to paint what they are shown.

Beside a frozen UNet a control network stops learning early: what it adds must pass a decoder that was never taught to
heed it, and pieces of large pictures are strange to both. Here both learn. They begin as the pixel prior and a control
network of it (`control`), and are taught on pieces at every scale (`crops`), so that they paint 32 px as well as 128.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

from .control import Controlled, build_control
from .geometry_data import SeenBatch
from .pixel_prior import PixelPrior, PixelSettings, empty_sentence
from .sentences import SentenceEncoder
from .watch import WatchSet


@dataclass(frozen=True)
class PainterSettings(PixelSettings):
    """Mostly unlit pictures, since textures are; mostly much noise, where a pattern can only come from the geometry."""

    lit_share: float = 0.05
    high: tuple[float, float] = (0.5, 1.0)
    high_share: float = 0.7


class Pair(nn.Module):
    """A UNet and its control network as one network with one state dict."""

    def __init__(self, unet: UNet2DConditionModel, control: ControlNetModel) -> None:
        super().__init__()
        self.unet, self.control = unet, control

    def shown(self, geometry: torch.Tensor) -> Controlled:
        """Both before given geometry (B, 31, S, S), callable like a UNet."""
        return Controlled(self.unet, self.control, geometry)


class Painter:
    """The recipe for `loop.Trainer`."""

    name = "painter"

    def __init__(self, prior: PixelPrior, network: Pair, watched: torch.Tensor | None = None) -> None:
        self.prior, self.network, self.watched = prior, network, watched

    def loss(self, seen: SeenBatch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean squared error of v, its value per sample (B,), and t as a fraction of the schedule (B,)."""
        clean, condition = self.prior.examples(seen.batch, generator)
        return self.prior.diffusion_loss(clean, condition, generator, self.network.shown(seen.geometry))

    @torch.no_grad()
    def watch(self, network: torch.nn.Module, path: Path) -> dict[str, Any]:
        """The pixel prior's own watch sheet, with the true geometry shown."""
        if self.watched is None:
            return {}
        assert isinstance(network, Pair)
        return self.prior.watch(network.shown(self.watched), path)


def painter(folder: Path, device: torch.device, watch_set: WatchSet | None, watched: torch.Tensor | None) -> Painter:
    """The recipe that begins as the pixel prior in a weights folder, with the control network there or a fresh one."""
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32)
    if (folder / "controlnet").is_dir():
        control = ControlNetModel.from_pretrained(folder, subfolder="controlnet", torch_dtype=torch.float32)
    else:
        control = build_control(unet)
    network = Pair(unet, control).to(memory_format=torch.channels_last)
    prior = PixelPrior(PainterSettings(), empty_sentence(SentenceEncoder()), device, watch_set)
    return Painter(prior, network, watched)
