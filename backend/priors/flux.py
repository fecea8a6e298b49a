# SPDX-License-Identifier: GPL-3.0-or-later
"""FLUX.1 as a prior: CLIP and T5, latents packed two by two into tokens, and, in FLUX.1 dev, guidance as an input.

FLUX.1 dev was trained to answer in one pass what others answer in two: it is told the scale of guidance (Meng et al.
2023). Told 1, it gives the plain belief, which is what differences between texts are made of.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.base import TextEmbedding
from backend.priors.flow_prior import PATCH, FlowPrior
from backend.priors.noise import Prediction
from backend.priors.views import ViewCondition

MOST_TOLD = 10.0  # the largest guidance that its authors' own demonstration offers
LONG, SHORT = 512, 256  # T5 tokens that FLUX.1 dev, and FLUX.1 schnell, were trained with


class FluxPrior(FlowPrior):
    """`FluxPipeline` folders: FLUX.1 schnell, FLUX.1 dev, and finetunes of them."""

    usual_scale = 3.5  # diffusers' FluxPipeline

    @property
    def is_told(self) -> bool:
        """Whether the network takes guidance as an input."""
        return bool(self.transformer.config.guidance_embeds)

    @staticmethod
    def channels(config: Any) -> int:
        return int(config.in_channels) // PATCH**2

    @property
    def time_embedding(self) -> tuple[nn.Module, int]:
        return self.transformer.time_text_embed, int(self.transformer.inner_dim)

    def guided(
        self, x_t: Tensor, t: Tensor, positive: TextEmbedding, negative: TextEmbedding, view: ViewCondition | None,
        scale: float,
    ) -> tuple[Prediction, Prediction]:
        """As `Prior.guided`. A network that is told its guidance answers scales up to 10 in one pass of B images; it
        has no ear for negative prompts then, and its plain belief is not asked for."""
        if not self.is_told or not 1.0 < scale <= MOST_TOLD or not self.traits.takes_guidance:
            return super().guided(x_t, t, positive, negative, view, scale)
        listening = copy.copy(self)
        listening.told = scale
        only = listening.predict(x_t, t, positive, view)
        return only, only

    @staticmethod
    def velocity(transformer: Any, x: Tensor, level: Tensor, text: TextEmbedding, told: float) -> Tensor:
        height, width = x.shape[-2:]
        guidance = torch.full_like(level, told) if transformer.config.guidance_embeds else None
        answer = transformer(
            hidden_states=packed(x), timestep=level, guidance=guidance, pooled_projections=text.pooled,
            encoder_hidden_states=text.tokens, txt_ids=x.new_zeros(text.tokens.shape[1], 3, dtype=torch.float32),
            img_ids=places(height // PATCH, width // PATCH, x.device), return_dict=False)[0]
        return unpacked(answer, height, width)

    @staticmethod
    def blank_text(transformer: Any, count: int) -> TextEmbedding:
        config, where = transformer.config, {"device": transformer.device, "dtype": transformer.dtype}
        length = LONG if config.guidance_embeds else SHORT
        return TextEmbedding(torch.empty(count, length, config.joint_attention_dim, **where), None,
                             torch.empty(count, config.pooled_projection_dim, **where))

    def read_prompt(self, prompt: str, device: torch.device) -> TextEmbedding:
        length = LONG if self.is_told else SHORT
        tokens, pooled, _ = self.parts.encode_prompt([prompt], None, device=device, max_sequence_length=length)
        return TextEmbedding(tokens, None, pooled)


def packed(x: Tensor) -> Tensor:
    """Latents (B, C, h, w) to tokens (B, h w / 4, 4 C): two by two cells a token, channel by channel."""
    count, channels, height, width = x.shape
    cells = x.view(count, channels, height // PATCH, PATCH, width // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(count, -1, channels * PATCH**2)


def unpacked(tokens: Tensor, height: int, width: int) -> Tensor:
    """The way back of `packed`, to latents of `height` x `width` cells."""
    count, _, size = tokens.shape
    cells = tokens.view(count, height // PATCH, width // PATCH, size // PATCH**2, PATCH, PATCH)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(count, size // PATCH**2, height, width)


def places(rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows columns, 3) 0, row and column of each token, for its rotary embedding."""
    row = torch.arange(rows, device=device, dtype=torch.float32)[:, None].expand(rows, columns)
    column = torch.arange(columns, device=device, dtype=torch.float32)[None].expand(rows, columns)
    return torch.stack([torch.zeros_like(row), row, column], -1).view(-1, 3)
