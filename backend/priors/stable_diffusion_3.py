# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion 3 and 3.5 (Esser et al. 2024) as priors: two CLIP encoders, T5 where the folder has it, and an
MMDiT."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backend.priors.base import TextEmbedding
from backend.priors.flow_prior import FlowPrior


class StableDiffusion3Prior(FlowPrior):
    """`StableDiffusion3Pipeline` folders: 3 medium, 3.5 medium and 3.5 large, and finetunes of them."""

    family = "Stable Diffusion 3"
    usual_scale = 4.5  # model card of Stable Diffusion 3.5 medium

    def channels(self) -> int:
        return int(self.transformer.config.in_channels)

    def native_size(self, vae: object) -> int:
        scale: int = 2 ** (len(vae.config.block_out_channels) - 1)  # type: ignore[attr-defined]
        return int(self.transformer.config.sample_size) * scale

    @property
    def time_embedding(self) -> tuple[nn.Module, int]:
        return self.transformer.time_text_embed, int(self.transformer.inner_dim)

    def velocity(self, x: Tensor, level: Tensor, text: TextEmbedding) -> Tensor:
        answer: Tensor = self.transformer(
            hidden_states=x, timestep=level * self.noise.num_timesteps, encoder_hidden_states=text.tokens,
            pooled_projections=text.pooled, return_dict=False)[0]
        return answer

    def read_prompt(self, prompt: str, device: torch.device) -> TextEmbedding:
        tokens, _, pooled, _ = self.parts.encode_prompt(
            [prompt], None, None, device=device, do_classifier_free_guidance=False)
        return TextEmbedding(tokens, None, pooled)


