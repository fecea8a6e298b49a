# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion 3 and 3.5 (Esser et al. 2024) as priors: two CLIP encoders, T5 where the folder has it, and an
MMDiT."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.base import TextEmbedding
from backend.priors.flow_prior import FlowPrior

CLOCK = 1000.0  # what the network is told at pure noise
CLIP_TOKENS, T5_TOKENS = 77, 256  # as in diffusers' pipeline


class StableDiffusion3Prior(FlowPrior):
    """`StableDiffusion3Pipeline` folders: 3 medium, 3.5 medium and 3.5 large, and finetunes of them."""

    usual_scale = 4.5  # model card of Stable Diffusion 3.5 medium

    @staticmethod
    def channels(config: Any) -> int:
        return int(config.in_channels)

    @staticmethod
    def native_size(config: Any, vae: Any) -> int:
        return int(config.sample_size) << (len(vae.block_out_channels) - 1)

    @property
    def time_embedding(self) -> tuple[nn.Module, int]:
        return self.transformer.time_text_embed, int(self.transformer.inner_dim)

    @staticmethod
    def velocity(transformer: Any, x: Tensor, level: Tensor, text: TextEmbedding, told: float) -> Tensor:
        answer: Tensor = transformer(
            hidden_states=x, timestep=level * CLOCK, encoder_hidden_states=text.tokens, pooled_projections=text.pooled,
            return_dict=False)[0]
        return answer

    @staticmethod
    def blank_text(transformer: Any, count: int) -> TextEmbedding:
        config, where = transformer.config, {"device": transformer.device, "dtype": transformer.dtype}
        return TextEmbedding(torch.empty(count, CLIP_TOKENS + T5_TOKENS, config.joint_attention_dim, **where), None,
                             torch.empty(count, config.pooled_projection_dim, **where))

    def read_prompt(self, prompt: str, device: torch.device) -> TextEmbedding:
        tokens, _, pooled, _ = self.parts.encode_prompt(
            [prompt], None, None, device=device, do_classifier_free_guidance=False)
        return TextEmbedding(tokens, None, pooled)


