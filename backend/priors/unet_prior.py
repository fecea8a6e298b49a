# SPDX-License-Identifier: GPL-3.0-or-later
"""What all checkpoints have in common: a diffusers `UNet2DConditionModel`, a codec and a text reader.

Families differ only in what they tell the network besides tokens; they override `conditioning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from backend.priors.base import Prior, PriorTraits, TextEmbedding
from backend.priors.codecs import Codec
from backend.priors.noise import PREDICTION_TYPES, NoiseSchedule
from backend.priors.text import TextReader
from backend.priors.views import ViewCondition
from protocol.errors import BrokenWeights


class UNetPrior(Prior):
    """See `Prior`.

    Args:
        traits: what it is.
        noise: its noise levels, on `unet`'s device.
        unet: in eval mode, without gradients, on its device.
        codec: between images and the network's space.
        read: text to embeddings.
        parts: the other things that came with the checkpoint (a pipeline, say), kept for features beyond distillation.
    """

    def __init__(
        self, traits: PriorTraits, noise: NoiseSchedule, unet: Any, codec: Codec, read: TextReader, parts: Any = None
    ) -> None:
        self.traits = traits
        self.noise = noise
        self.unet = unet.eval().requires_grad_(False)
        self.codec = codec
        self.read = read
        self.parts = parts
        self.device = unet.device
        self.dtype = unet.dtype

    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        return self.read(prompts)

    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        return self.codec.encode(images, cheap)

    def decode(self, x: Tensor) -> Tensor:
        return self.codec.decode(x)

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        """What the network gets besides noisy samples, time and tokens, as keyword arguments of its forward."""
        return {} if text.mask is None else {"encoder_attention_mask": text.mask}

    def network(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> Tensor:
        x = x_t.to(self.dtype)
        if self.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        output = self.unet(x, t, encoder_hidden_states=text.tokens, return_dict=False,
                           **self.conditioning(x_t, text, view))[0]
        # Channels beyond those of x hold a learned variance (DeepFloyd IF) or nothing (our pixel prior).
        return output[:, :x_t.shape[1]].float()


def noise_from_scheduler(scheduler: Any, device: torch.device) -> NoiseSchedule:
    """The noise levels of any diffusers scheduler with a training table. Raises BrokenWeights for one without."""
    table = getattr(scheduler, "alphas_cumprod", None)
    kind = scheduler.config.get("prediction_type", "epsilon")
    if table is None or kind not in PREDICTION_TYPES:
        raise BrokenWeights(
            f"The scheduler {type(scheduler).__name__} with prediction type {kind!r} has no table of noise levels that "
            "score distillation could use.",
            hint="Use a checkpoint with a DDPM, DDIM or similar scheduler_config.json, or choose another `prior`.",
        )
    return NoiseSchedule(table, kind, device)


def prepare(unet: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Moves a network to where it runs, in the memory layout that is fastest there."""
    return unet.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)
