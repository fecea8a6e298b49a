# SPDX-License-Identifier: GPL-3.0-or-later
"""The style of a picture, where a prior takes one: image prompts through an IP-Adapter (Ye et al. 2023).

The adapter lies in the prior's own folder, in the files that diffusers reads: `ip_adapter/*.safetensors`, and the
image encoder in `image_encoder/` or `ip_adapter/image_encoder/`. It is put into a twin of the network that shares all
weights, so the loaded prior stays as it is. Negative prompts get the adapter's answer to no picture.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from backend.priors.base import Prior, TextEmbedding
from backend.priors.files import no_network
from backend.priors.loading import quiet
from backend.priors.stable_diffusion import StableDiffusionPrior, StableDiffusionXLPrior
from backend.priors.text import TextReader
from backend.priors.unet_prior import UNetPrior
from backend.priors.views import ViewCondition
from protocol.errors import BadRequest, BrokenWeights

FOLDER = "ip_adapter"
INPUT = "style_picture"


def styled(
    prior: Prior, folder: Path, inputs: Mapping[str, NDArray[Any]], scale: float, negatives: Sequence[str]
) -> Prior:
    """The prior under the style of the job's picture; itself, to the last bit, without one or at scale 0.

    Args:
        folder: where the prior was loaded from.
        inputs: a job's arrays.
        scale: how much the picture has to say; 1 is as the adapter was trained.
        negatives: prompts that are not under the style.

    Raises BadRequest for a picture that cannot be read or a prior that takes none, BrokenWeights for an adapter that
    does not fit.
    """
    if INPUT not in inputs:
        return prior
    picture = _read(inputs[INPUT])
    files = sorted((folder / FOLDER).glob("*.safetensors")) if (folder / FOLDER).is_dir() else []
    if not isinstance(prior, StableDiffusionPrior | StableDiffusionXLPrior) or not files:
        why = ("it has no image adapter" if isinstance(prior, StableDiffusionPrior | StableDiffusionXLPrior)
               else "it understands words only")
        raise BadRequest(
            f"{prior.traits.name} cannot take the style of a picture: {why}.", path=f"inputs.{INPUT}",
            hint=f"Put an IP-Adapter into the folder of a Stable Diffusion prior ({FOLDER}/*.safetensors beside "
                 "image_encoder/), or learn the style as a word from 3 to 8 pictures.",
        )
    if scale == 0:
        return prior
    unet, without, with_picture = _adapted(prior, folder, files[0], picture, scale)
    kind = StyledXLPrior if isinstance(prior, StableDiffusionXLPrior) else StyledPrior
    made = kind(prior.traits, prior.noise, unet, prior.codec, MarkingReader(prior.read, negatives), prior.parts)
    made.pictures = torch.cat([without, with_picture])
    made.control, made.shown = prior.control, prior.shown
    return made


class _Styled(UNetPrior):
    """A prior whose network reads a picture beside the text. pictures: (2, 1, D) nothing, and the picture."""

    pictures: Tensor

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        told = super().conditioning(x_t, text, view)
        assert text.mask is not None
        which = text.mask[:, 0].long()
        return {**told, "added_cond_kwargs": {**told.get("added_cond_kwargs", {}),
                                              "image_embeds": [self.pictures[which]]}}


class StyledPrior(_Styled, StableDiffusionPrior):
    """Stable Diffusion 1.x and 2.x under a style."""


class StyledXLPrior(_Styled, StableDiffusionXLPrior):
    """Stable Diffusion XL under a style."""


class MarkingReader(TextReader):
    """Marks in the mask, which Stable Diffusion does not read, whether a prompt is under the style."""

    def __init__(self, reader: TextReader, negatives: Sequence[str]) -> None:
        super().__init__(reader.model, reader.revision, reader.network, *reader.placed)
        self._plain, self._negatives = reader, frozenset(negatives)

    def release(self) -> None:
        self._plain.release()

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        rows = self._plain(prompts)
        styles = [0.0 if prompt in self._negatives else 1.0 for prompt in prompts]
        return TextEmbedding(rows.tokens, rows.tokens.new_tensor(styles)[:, None], rows.pooled)


def _adapted(prior: UNetPrior, folder: Path, file: Path, picture: Image.Image, scale: float) -> tuple[Any, Tensor,
                                                                                                      Tensor]:
    """(the network's twin with the adapter, the embedding (1, 1, D) of no picture, that of the picture)."""
    shared = {id(one): one for one in chain(prior.unet.parameters(), prior.unet.buffers())}
    twin = copy.deepcopy(prior.unet, shared)
    inside = folder / FOLDER / "image_encoder"
    try:
        with no_network(), quiet():
            parts = {name: part for name, part in prior.parts.components.items() if name != "image_encoder"}
            parts.update(unet=twin, feature_extractor=None, image_encoder=None)
            if "safety_checker" in parts:
                parts.update(safety_checker=None, requires_safety_checker=False)
            pipeline = type(prior.parts)(**parts)
            pipeline.load_ip_adapter(
                str(folder), subfolder=FOLDER, weight_name=file.name, local_files_only=True, low_cpu_mem_usage=False,
                image_encoder_folder="image_encoder" if inside.is_dir() else "./image_encoder",
            )
            pipeline.set_ip_adapter_scale(scale)
            twin.to(prior.device, prior.dtype)
            pipeline.image_encoder.to(prior.device)
            with torch.no_grad():
                both = pipeline.prepare_ip_adapter_image_embeds(picture, None, prior.device, 1, True)[0].to(prior.dtype)
                twin.encoder_hid_proj([both])  # fails here, not in the middle of a job, where the encoder is another's
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as problem:
        raise BrokenWeights(
            f"The image adapter {file.name} does not fit {prior.traits.name}: {str(problem).splitlines()[0][:200]}",
            hint="Use an adapter for this family of Stable Diffusion, with its image encoder beside it.",
        ) from problem
    without, with_picture = both.chunk(2)
    return twin, without, with_picture


def _read(content: NDArray[Any]) -> Image.Image:
    try:
        opened = Image.open(io.BytesIO(np.asarray(content, np.uint8).tobytes()))
        return ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise BadRequest(f"The picture of the style cannot be read: {problem}.", path=f"inputs.{INPUT}",
                         hint="Send a PNG or JPEG file as bytes.") from problem
