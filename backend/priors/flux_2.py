# SPDX-License-Identifier: GPL-3.0-or-later
"""FLUX.2 klein as a prior: 4 billion parameters under Apache 2.0, prompts read by Qwen 3.

Its own space is that of a VAE whose cells are folded two by two and brought to unit variance, so a cell is a token.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.base import TextEmbedding
from backend.priors.codecs import LatentCodec
from backend.priors.flow_prior import FlowPrior, shift_of

FOLD = 2  # cells of the VAE along the side of one of ours
TOKENS = 512  # of a prompt, as in diffusers' Flux2KleinPipeline; all of them are read
MU_SLOPE, MU_AT_NONE = 1.6927e-4, 0.45666666
"""Its authors' shift of noise levels by the number of tokens, where steps are many: exp(slope * tokens + offset)."""


class FoldedCodec(LatentCodec):
    """An AutoencoderKLFlux2: four cells of its latents side by side in one, each channel in units of its deviation."""

    def __init__(self, vae: Any, resolution: int) -> None:
        super().__init__(vae, resolution)
        self.latent_scale *= FOLD
        self._resize(resolution)

    def decode(self, x: Tensor) -> Tensor:
        mean, deviation = self._statistics(x)
        return super().decode(unfolded(x.detach() * deviation + mean))

    def _encode(self, pixels: Tensor) -> Tensor:
        mode = folded(super()._encode(pixels))
        mean, deviation = self._statistics(mode)
        return (mode - mean) / deviation

    def _resize(self, resolution: int) -> None:
        self.resolution, cells = resolution, resolution // self.latent_scale
        self.latent_shape = (int(self.vae.config.latent_channels) * FOLD**2, cells, cells)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        known = self.vae.bn
        mean, variance = (one.view(1, -1, 1, 1).to(like) for one in (known.running_mean, known.running_var))
        return mean, (variance + self.vae.config.batch_norm_eps).sqrt()


class Flux2Prior(FlowPrior):
    """`Flux2KleinPipeline` folders: FLUX.2 klein base 4B and 9B, klein 4B and 9B, and finetunes of them."""

    usual_scale = 4.0  # diffusers' Flux2KleinPipeline
    codec_kind = FoldedCodec
    patch = 1

    @staticmethod
    def channels(config: Any) -> int:
        return int(config.in_channels)

    @classmethod
    def shift(cls, scheduler: Any, tokens: int, ratio: float) -> float:
        plain = shift_of(scheduler, tokens, ratio)
        return math.exp(MU_SLOPE * tokens + MU_AT_NONE) if scheduler.config.get("use_dynamic_shifting") else plain

    @property
    def time_embedding(self) -> tuple[nn.Module, int]:
        return self.transformer.time_guidance_embed, int(self.transformer.inner_dim)

    @staticmethod
    def velocity(transformer: Any, x: Tensor, level: Tensor, text: TextEmbedding, told: float) -> Tensor:
        height, width = x.shape[-2:]
        guidance = torch.full_like(level, told) if transformer.config.guidance_embeds else None
        answer: Tensor = transformer(
            hidden_states=x.flatten(2).transpose(1, 2), timestep=level, guidance=guidance,
            encoder_hidden_states=text.tokens, txt_ids=places(1, 1, text.tokens.shape[1], x.device),
            img_ids=places(height, width, 1, x.device), return_dict=False)[0]
        return answer.transpose(1, 2).unflatten(2, (height, width))

    @staticmethod
    def blank_text(transformer: Any, count: int) -> TextEmbedding:
        return TextEmbedding(torch.empty(count, TOKENS, transformer.config.joint_attention_dim,
                                         device=transformer.device, dtype=transformer.dtype))

    def read_prompt(self, prompt: str, device: torch.device) -> TextEmbedding:
        return TextEmbedding(self.parts.encode_prompt([prompt], device=device, max_sequence_length=TOKENS)[0])


def folded(latents: Tensor) -> Tensor:
    """(B, C, 2h, 2w) to (B, 4C, h, w)."""
    count, channels, height, width = latents.shape
    cells = latents.view(count, channels, height // FOLD, FOLD, width // FOLD, FOLD).permute(0, 1, 3, 5, 2, 4)
    return cells.reshape(count, channels * FOLD**2, height // FOLD, width // FOLD)


def unfolded(x: Tensor) -> Tensor:
    """The way back of `folded`."""
    count, channels, height, width = x.shape
    cells = x.reshape(count, channels // FOLD**2, FOLD, FOLD, height, width).permute(0, 1, 4, 2, 5, 3)
    return cells.reshape(count, channels // FOLD**2, height * FOLD, width * FOLD)


def places(rows: int, columns: int, words: int, device: torch.device) -> Tensor:
    """(rows columns words, 4) time (0), row, column and number of each token, for its rotary embedding."""
    axes = [torch.arange(n, device=device, dtype=torch.float32) for n in (1, rows, columns, words)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 4)
