# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape that a prior paints, shown to it: ControlNets, ours and those of Stable Diffusion, behind one door.

    prior = controlled(prior, see_geometry(vertices, faces, cameras, rasteriser, prior.traits.resolution))

gives a prior that answers as before but knows what each of its views looks at; one without a control network comes
back as it is. Nothing else that takes a prior changes. A control network is a genuine diffusers `ControlNetModel`
folder: `controlnet/` inside the prior's own folder, or one that the setting `prior` names behind a plus sign.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from backend.embedded.geometry import CHANNELS
from backend.priors.files import no_network
from backend.priors.geometry import SINGLE_CHANNELS, Geometry, Shows
from backend.priors.loading import CHOOSE, check_complete, check_safetensors, quiet
from protocol.errors import BrokenWeights, PriorNotFound

FOLDER = "controlnet"


@dataclass(frozen=True)
class Control:
    """A loaded ControlNetModel and the sort of picture that it reads."""

    network: Any
    shows: Shows

    @property
    def cells(self) -> int:
        """Pixels of its picture along a cell of the prior's samples: 8 for Stable Diffusion, 1 for our own."""
        return 1 << (len(self.network.config.conditioning_embedding_out_channels) - 1)


@dataclass(frozen=True)
class Shown:
    """A control network before the pictures (B, C, S, S) of B views; `scale` is the strength of its word."""

    control: Control
    picture: Tensor
    scale: float

    def residuals(self, x: Tensor, t: Tensor, tokens: Tensor, told: dict[str, Any]) -> dict[str, Any]:
        """What a UNet's forward gets besides, for samples x (k B, C, h, w): k repetitions of the views in order."""
        if len(x) % len(self.picture):
            raise ValueError(f"{len(x)} samples are no repetition of the {len(self.picture)} views that are shown")
        picture = self.picture.repeat(len(x) // len(self.picture), 1, 1, 1)
        mask = told.get("encoder_attention_mask")
        if mask is not None:
            # ControlNetModel takes no mask of tokens: as in training, those that do not count are zero.
            tokens = tokens * mask[..., None].to(tokens)
        known = {name: told[name] for name in ("class_labels", "added_cond_kwargs") if name in told}
        down, middle = self.control.network(x, t, tokens, picture, conditioning_scale=self.scale, return_dict=False,
                                            **known)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


AnyPrior = TypeVar("AnyPrior")


def controlled(prior: AnyPrior, geometry: Geometry, scale: float = 1.0) -> AnyPrior:
    """The prior, shown what its views look at; itself when it has no control network.

    Args:
        geometry: of B views at the prior's resolution. Every batch that the result is asked about is these views in
            this order, once or several times over.
        scale: 0 leaves the prior alone, 1 is the network as it was trained.

    Raises:
        ValueError: the geometry has another size than the prior's pictures.
    """
    control: Control | None = getattr(prior, "control", None)
    if control is None:
        return prior
    size = prior.traits.resolution  # type: ignore[attr-defined]
    if geometry.coverage.shape[-1] != size:
        raise ValueError(f"{prior.traits.name} draws {size} px, "  # type: ignore[attr-defined]
                         f"the geometry has {geometry.coverage.shape[-1]}")
    wanted = prior.traits.latent_shape[-1] * control.cells  # type: ignore[attr-defined]
    if wanted > size or size % wanted:
        raise ValueError(f"the control network wants pictures of {wanted} px, the prior draws {size}")
    picture = geometry.smaller(size // wanted).picture(control.shows).to(prior.device, prior.dtype)  # type: ignore[attr-defined]
    bound = copy.copy(prior)
    bound.shown = Shown(control, picture.contiguous(memory_format=torch.channels_last), scale)  # type: ignore[attr-defined]
    return bound


def load_control(folder: Path, unet: Any, device: torch.device, dtype: torch.dtype) -> Control:
    """Reads a ControlNetModel folder for a loaded UNet, offline, safetensors only.

    Raises:
        PriorNotFound: no such folder.
        BrokenWeights: it can't be loaded, is made for another UNet, or doesn't say what it shows.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PriorNotFound(f"There is no ControlNet in {folder}: it has no config.json.",
                            hint="Name the folder that holds config.json and the weights. " + CHOOSE) from error
    except (OSError, ValueError) as error:
        raise BrokenWeights(f"{folder / 'config.json'} can't be read: {error}",
                            hint="Download the ControlNet again. " + CHOOSE) from error
    shows = _shows(config, folder)
    weights = sorted(folder.glob("*.safetensors"))
    for path in weights:
        check_safetensors(path)
    variant = "fp16" if weights and all(".fp16." in path.name for path in weights) else None
    try:
        with no_network(), quiet():
            from diffusers import ControlNetModel

            network = ControlNetModel.from_pretrained(folder, torch_dtype=dtype, local_files_only=True,
                                                      use_safetensors=True, variant=variant)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise BrokenWeights(f"{folder} could not be loaded as a ControlNet: {str(error).splitlines()[0][:300]}",
                            hint="It is incomplete or of another kind. " + CHOOSE) from error
    check_complete(network, folder)
    for name in ("in_channels", "cross_attention_dim", "block_out_channels", "layers_per_block"):
        theirs, ours = getattr(network.config, name), getattr(unet.config, name)
        if (list(theirs) if isinstance(theirs, tuple | list) else theirs) != (
            list(ours) if isinstance(ours, tuple | list) else ours):
            raise BrokenWeights(f"The ControlNet in {folder} is made for another model: its {name} is {theirs}, "
                                f"the prior's {ours}.", hint="Use one for the same version of Stable Diffusion.")
    ready = network.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)
    return Control(ready, shows)


def _shows(config: dict[str, Any], folder: Path) -> Shows:
    channels = config.get("conditioning_channels", SINGLE_CHANNELS)
    if channels == CHANNELS:
        return "geometry"
    said = f"{folder.resolve().parent.name if folder.name == FOLDER else ''} {folder.resolve().name}".lower()
    said += f" {config.get('_name_or_path', '')}".lower()
    words: tuple[Shows, ...] = ("normal", "depth")
    for word in words:
        if word in said and channels == SINGLE_CHANNELS:
            return word
    raise BrokenWeights(
        f"The ControlNet in {folder} reads {channels} channels, and its name says neither `depth` nor `normal`.",
        hint="Maquette shows depth and normals; rename the folder so that it says which of them this network reads.",
    )
