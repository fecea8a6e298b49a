# SPDX-License-Identifier: GPL-3.0-or-later
"""Z-Image (Tongyi Lab, 2025) as a prior: 6 billion parameters, Apache 2.0, prompts read by Qwen 3.

Its network counts time from noise (0) to picture (1) and answers with the flow towards the picture; both are turned
round here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.base import TextEmbedding
from backend.priors.flow_prior import FlowPrior

TOKENS = 512  # of a prompt, as in diffusers' ZImagePipeline; what stands behind its end does not count


class ZImagePrior(FlowPrior):
    """`ZImagePipeline` folders: Z-Image, Z-Image-Turbo, and finetunes of them."""

    usual_scale = 5.0  # model card of Z-Image: 3 to 5, which its pipeline counts from 0 where others begin at 1

    @staticmethod
    def channels(config: Any) -> int:
        return int(config.in_channels)

    @property
    def time_embedding(self) -> tuple[nn.Module, int]:
        layers = self.transformer.t_embedder
        return layers, int(layers.mlp[-1].out_features)

    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        rows = super().embed(prompts)
        assert rows.mask is not None
        return TextEmbedding(rows.tokens, rows.mask.cpu())  # its lengths give shapes: the host must not wait for them

    @staticmethod
    def velocity(transformer: Any, x: Tensor, level: Tensor, text: TextEmbedding, told: float) -> Tensor:
        assert text.mask is not None
        lengths = (text.mask > 0.5).sum(1).tolist()
        captions = [row[:length] for row, length in zip(text.tokens, lengths, strict=True)]
        answer = transformer(list(x[:, :, None].unbind(0)), 1 - level, captions, return_dict=False)[0]
        return -torch.stack([one.float() for one in answer])[:, :, 0]

    @staticmethod
    def blank_text(transformer: Any, count: int) -> TextEmbedding:
        tokens = torch.empty(count, TOKENS, transformer.config.cap_feat_dim, device=transformer.device,
                             dtype=transformer.dtype)
        return TextEmbedding(tokens, torch.ones(count, TOKENS))

    def read_prompt(self, prompt: str, device: torch.device) -> TextEmbedding:
        found = self.parts.encode_prompt([prompt], device, do_classifier_free_guidance=False,
                                         max_sequence_length=TOKENS)[0][0]
        tokens, mask = found.new_zeros(1, TOKENS, found.shape[-1]), found.new_zeros(1, TOKENS)
        tokens[0, : len(found)], mask[0, : len(found)] = found, 1.0
        return TextEmbedding(tokens, mask)
