# SPDX-License-Identifier: GPL-3.0-or-later
"""DeepFloyd IF, first stage: 64 x 64 pixels, read through T5.

The pixel prior for Magic3D's coarse stage among public models. Its text encoder is larger than its UNet, so it is never
loaded together with it: it comes at the first new prompt and goes with `Prior.release_text`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.priors.base import PriorTraits, TextEmbedding
from backend.priors.codecs import PixelCodec
from backend.priors.loading import load_component, load_pipeline, weights_revision
from backend.priors.text import TextReader
from backend.priors.unet_prior import UNetPrior, noise_from_scheduler, prepare
from backend.priors.views import ViewCondition
from protocol.errors import BrokenWeights

# T5 reads more, but IF was trained with this length (diffusers' IFPipeline).
TOKENS = 77


class DeepFloydPrior(UNetPrior):
    """IF-I. The UNet reads all 77 tokens without a mask, as in diffusers' pipeline; its learned variance is unused."""

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        return {}


class _T5:
    """The text encoder of an IF folder."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self._tokenizer = load_component(folder, "tokenizer")
        self._network = load_component(folder, "text_encoder", dtype).to(device).eval().requires_grad_(False)

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        # Lower case and stripped: what diffusers' pipeline does with clean_caption=False.
        batch = self._tokenizer([prompt.lower().strip() for prompt in prompts], padding="max_length", max_length=TOKENS,
                                truncation=True, return_tensors="pt").to(self._network.device)
        return TextEmbedding(self._network(batch.input_ids, attention_mask=batch.attention_mask)[0])


def load(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_folder: Path | None = None,
    name: str = "",
) -> DeepFloydPrior:
    """Loads the `IFPipeline` folder of a first stage.

    Raises:
        PriorNotFound, BrokenWeights: see `loading.load_pipeline`; the latter also for a super-resolution stage.
    """
    device = torch.device(device)
    pipeline = load_pipeline(folder, dtype, text_encoder=None, tokenizer=None)
    unet = prepare(pipeline.unet, device, dtype)
    channels = int(unet.config.in_channels)
    if channels not in (3, 4):
        raise BrokenWeights(
            f"{folder} is not the first stage of DeepFloyd IF: its UNet takes {channels} channels.",
            hint="Set `prior` to an IF-I model (IF-I-XL-v1.0, IF-I-L-v1.0 or IF-I-M-v1.0), not to IF-II.",
        )
    codec = PixelCodec(int(unet.config.sample_size), channels)
    revision = weights_revision(folder, cache_folder)
    traits = PriorTraits(
        name=name or folder.name,
        revision=revision,
        resolution=codec.resolution,
        channels="rgba" if channels == 4 else "rgb",
        latent_shape=codec.latent_shape,
    )
    reader: TextReader = TextReader(traits.name, revision, lambda: _T5(folder, reader.reads_on, dtype), device, dtype)
    return DeepFloydPrior(traits, noise_from_scheduler(pipeline.scheduler, device), unet, codec, reader, pipeline)
