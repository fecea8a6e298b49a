# SPDX-License-Identifier: GPL-3.0-or-later
"""Priors on a diffusers `UNet2DConditionModel`.

Families differ only in what they tell the network besides tokens; they override `conditioning`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.around import nothing_known, sees_known
from backend.priors.base import PriorTraits, TextEmbedding
from backend.priors.codecs import Codec
from backend.priors.control import Control, Shown
from backend.priors.loading import quiet
from backend.priors.network_prior import NetworkPrior
from backend.priors.noise import PREDICTION_TYPES, NoiseSchedule
from backend.priors.text import TextReader
from backend.priors.views import ViewCondition
from protocol.errors import BrokenWeights


class UNetPrior(NetworkPrior):
    """See `NetworkPrior`.

    Args:
        traits: what it is.
        noise: its noise levels, on `unet`'s device.
        unet: in eval mode, without gradients, on its device.
        codec: between images and the network's space.
        read: text to embeddings.
        parts: the other things that came with the checkpoint (a pipeline, say), kept for features beyond distillation.

    Attributes:
        control: its control network, which `backend.priors.control.controlled` shows the geometry of views; or None.
        shown: what it was shown.
        known: (B, 1 + C, h, w) what an inpainting UNet sees beside the samples, which `backend.priors.around` binds.
    """

    control: Control | None = None
    shown: Shown | None = None
    known: Tensor | None = None

    def __init__(
        self, traits: PriorTraits, noise: NoiseSchedule, unet: Any, codec: Codec, read: TextReader, parts: Any = None
    ) -> None:
        super().__init__(traits, noise, codec, read, parts)
        self.unet = unet.eval().requires_grad_(False)
        self.device = unet.device
        self.dtype = unet.dtype

    @property
    def backbone(self) -> nn.Module:
        return self.unet  # type: ignore[no-any-return]

    @property
    def time_embedding(self) -> tuple[nn.Module, int]:
        layers = self.unet.time_embedding
        return layers, int(layers.linear_2.out_features)

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        """What the network gets besides noisy samples, time and tokens, as keyword arguments of its forward."""
        return {} if text.mask is None else {"encoder_attention_mask": text.mask}

    def network(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> Tensor:
        x = x_t.to(self.dtype)
        if self.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        told = self.conditioning(x_t, text, view)
        if self.shown is not None:
            told = {**told, **self.shown.residuals(x, t, text.tokens, told)}
        if sees_known(self.unet, x.shape[1]):
            if self.known is None:
                self.known = nothing_known(self)
            x = torch.cat([x, self.known.to(x).repeat(len(x) // len(self.known), 1, 1, 1)], 1)
        output = self.unet(x, t, encoder_hidden_states=text.tokens, return_dict=False, **told)[0]
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


def prepare(network: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Moves a UNet or VAE to where it runs, in the memory layout that is fastest there."""
    if network.dtype != dtype:
        with quiet():  # it warns of modules to be kept in float32 even where there are none
            network = network.to(dtype)
    return network.to(device=device, memory_format=torch.channels_last)


def best_dtype(device: torch.device) -> torch.dtype:
    """The precision in which a UNet runs fastest without harm: bfloat16 where the hardware multiplies it.

    Measured on a Zen 4 core, 8 images of 32 px, our 10 M UNet: 66 ms in bfloat16 against 130 ms in float32. Emulated,
    on older processors, bfloat16 is slower than float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu":
        return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
    return torch.float32


def vae_dtype(vae: Any, device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The precision of the VAE beside a UNet of `dtype`.

    On a CPU its backward pass gains nothing from bfloat16; and some overflow in float16 (Stable Diffusion XL's), which
    their configuration admits.
    """
    overflows = dtype == torch.float16 and bool(getattr(vae.config, "force_upcast", False))
    return torch.float32 if device.type == "cpu" or overflows else dtype
