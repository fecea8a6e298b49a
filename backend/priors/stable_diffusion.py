# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion 1.x, 2.x and XL as priors, and finetunes of them in the same folder layout.

They know no camera: `PromptBook` tells them the view in words. All differences between the three (text encoders,
prediction type, size) are read from the folder.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.around import sees_known
from backend.priors.base import PriorTraits, TextEmbedding
from backend.priors.codecs import LatentCodec
from backend.priors.control import FOLDER, load_control
from backend.priors.loading import load_pipeline, weights_revision
from backend.priors.pipeline_text import PipelineReader, fill
from backend.priors.text import TextReader
from backend.priors.unet_prior import UNetPrior, noise_from_scheduler, prepare, vae_dtype
from backend.priors.views import ViewCondition
from backend.transfer import sent
from protocol.errors import BrokenWeights


class StableDiffusionPrior(UNetPrior):
    """Stable Diffusion 1.x and 2.x. They were trained without a mask: padding tokens are read like words."""

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        return {}


class StableDiffusionXLPrior(UNetPrior):
    """Stable Diffusion XL: a pooled text vector and the picture's size and crop enter beside the tokens."""

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        size = self.traits.resolution
        # Original size, crop's corner, target size: a whole picture of the training size (Podell et al. 2023, 2.2).
        numbers = sent(torch.tensor([[size, size, 0, 0, size, size]], dtype=text.tokens.dtype), text.tokens.device)
        return {"added_cond_kwargs": {"text_embeds": text.pooled, "time_ids": numbers.expand(len(text), -1)}}


class _PipelineText:
    """Reads prompts through a pipeline's own `encode_prompt`, whose text encoders it loads back if they were freed."""

    def __init__(self, pipeline: Any, folder: Path, device: torch.device, dtype: torch.dtype, is_xl: bool) -> None:
        self._pipeline = pipeline
        self._is_xl = is_xl
        self._device = device
        fill(pipeline, folder, device, dtype)

    @property
    def tokenizer(self) -> Any:
        """What the pipeline breaks prompts with; another one may be put in its place for a while."""
        return self._pipeline.tokenizer

    @tokenizer.setter
    def tokenizer(self, other: Any) -> None:
        self._pipeline.tokenizer = other

    @property
    def embedding(self) -> nn.Embedding:
        """The text encoder's table of word vectors."""
        table: nn.Embedding = self._pipeline.text_encoder.get_input_embeddings()
        return table

    def pieces(self, text: str) -> list[int]:
        """The ids of a text's pieces, without marks of beginning and end."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def extended(self, marks: Sequence[str]) -> tuple[Any, int]:
        """(a copy of the tokenizer that reads each of these marks as one piece, the id of the first of them)."""
        made = copy.deepcopy(self.tokenizer)
        made.add_tokens(list(marks))
        return made, made.convert_tokens_to_ids(marks[0])

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        if self._is_xl:
            tokens, _, pooled, _ = self._pipeline.encode_prompt(
                list(prompts), device=self._device, num_images_per_prompt=1, do_classifier_free_guidance=False)
            return TextEmbedding(tokens, None, pooled)
        tokens, _ = self._pipeline.encode_prompt(list(prompts), self._device, 1, False)
        return TextEmbedding(tokens)


def load(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_folder: Path | None = None,
    name: str = "",
    control: Path | None = None,
) -> UNetPrior:
    """Loads a `StableDiffusionPipeline` or `StableDiffusionXLPipeline` folder, or one of their inpainting kin.

    Args:
        name: for reports; the folder's name if empty.
        control: folder of a ControlNet for it; None takes `controlnet/` inside the folder where there is one.

    Raises:
        PriorNotFound, BrokenWeights: see `loading.load_pipeline`.
    """
    device = torch.device(device)
    pipeline = load_pipeline(folder, dtype)
    unet = prepare(pipeline.unet, device, dtype)
    latent_channels = int(pipeline.vae.config.latent_channels)
    if int(unet.config.in_channels) != latent_channels and not sees_known(unet, latent_channels):
        raise BrokenWeights(
            f"{folder} can't guide distillation: its UNet takes {unet.config.in_channels} channels where its VAE gives "
            f"{latent_channels}; it is made for depth or image variation.",
            hint="Set `prior` to a text-to-image model, for instance stable-diffusion-v1-5/stable-diffusion-v1-5.",
        )
    pipeline.vae = prepare(pipeline.vae, device, vae_dtype(pipeline.vae, device, dtype))
    scale = 2 ** (len(pipeline.vae.config.block_out_channels) - 1)
    codec = LatentCodec(pipeline.vae, int(unet.config.sample_size) * scale)
    is_xl = unet.config.addition_embed_type == "text_time"
    revision = weights_revision(folder, cache_folder)
    traits = PriorTraits(
        name=name or folder.name,
        revision=revision,
        resolution=codec.resolution,
        channels="rgba" if codec.image_channels == 4 else "rgb",
        latent_shape=codec.latent_shape,
        latent_scale=codec.latent_scale,
    )
    reader: TextReader = PipelineReader(
        pipeline, traits.name, revision,
        lambda: _PipelineText(pipeline, folder, reader.reads_on, dtype, is_xl), device, dtype)
    kind = StableDiffusionXLPrior if is_xl else StableDiffusionPrior
    prior = kind(traits, noise_from_scheduler(pipeline.scheduler, device), unet, codec, reader, pipeline)
    if control is None and (folder / FOLDER).is_dir():
        control = folder / FOLDER
    if control is not None:
        prior.control = load_control(control, unet, device, dtype)
    return prior
