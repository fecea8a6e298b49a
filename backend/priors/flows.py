# SPDX-License-Identifier: GPL-3.0-or-later
"""The families of rectified-flow transformers, by the pipeline that a folder's model_index.json names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from backend.priors.flow_prior import FlowPrior
from backend.priors.flux import FluxPrior
from backend.priors.flux_2 import Flux2Prior
from backend.priors.known_models import Role
from backend.priors.loading import read_config, read_index
from backend.priors.stable_diffusion_3 import StableDiffusion3Prior
from backend.priors.z_image import ZImagePrior

FLOWS: dict[str, type[FlowPrior]] = {
    "StableDiffusion3Pipeline": StableDiffusion3Prior, "FluxPipeline": FluxPrior, "Flux2KleinPipeline": Flux2Prior,
    "ZImagePipeline": ZImagePrior}
COARSE_PIXELS = 512
"""Of pictures in the coarse stage, where a prior draws several sizes: a field of 64 pixels has nothing for 1024."""


def stage_size(native: int, role: Role) -> int:
    """Pixels along an edge of the pictures that a prior of several sizes draws in a stage."""
    return min(COARSE_PIXELS, native) if role == "coarse" else native


def picture_size(folder: Path, role: Role) -> int | None:
    """The same for a folder that is not loaded yet; None where there is only one size. Raises BrokenWeights."""
    kind = FLOWS.get(read_index(folder)["_class_name"])
    if kind is None:
        return None
    transformer, vae = (SimpleNamespace(**read_config(folder, part)) for part in ("transformer", "vae"))
    return stage_size(kind.native_size(transformer, vae), role)
