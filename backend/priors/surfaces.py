# SPDX-License-Identifier: GPL-3.0-or-later
"""Priors that read the surface off a picture: roughness and metallic by Marigold's intrinsic decomposition.

Any `MarigoldIntrinsicsPipeline` folder of the "appearance" kind will do (Ke et al. 2025): what its outputs mean is
read from the folder's own `target_properties`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.priors.hub_models import folder_of, is_hub_id
from backend.priors.loading import load_pipeline, read_index
from backend.priors.unet_prior import best_dtype
from protocol.errors import PriorNotFound

PIPELINE = "MarigoldIntrinsicsPipeline"
NAMES = {"roughness": ("roughness",), "metallic": ("metallic", "metallicity", "metalness")}
FREE = "Leave `maps` empty for constants by the material that the prompt names."


@dataclass(frozen=True)
class SurfaceReader:
    """A loaded pipeline. places: {'roughness': (target, channel), 'metallic': ...} among its outputs."""

    pipeline: Any
    name: str
    places: dict[str, tuple[int, int]]
    targets: int

    @torch.no_grad()
    def read(self, picture: Tensor, seed: int, steps: int | None = None) -> dict[str, Tensor]:
        """{'roughness': (H, W), 'metallic': (H, W)} in 0..1 of one picture (3, H, W) in 0..1; `steps` None takes the
        folder's own number."""
        generator = torch.Generator().manual_seed(seed)
        made = self.pipeline(picture[None].float().cpu(), num_inference_steps=steps, generator=generator,
                             output_type="pt", match_input_resolution=True).prediction.float()
        outputs = made.view(-1, self.targets, *made.shape[1:])[0]
        return {name: outputs[target, channel].clamp(0, 1) for name, (target, channel) in self.places.items()}


def load_surface_reader(setting: str, device: torch.device, online: bool = False,
                        dtype: torch.dtype | None = None) -> SurfaceReader:
    """Loads a folder, or a hub id that is cached (or, `online`, downloaded).

    Raises PriorNotFound or BrokenWeights.
    """
    folder = Path(setting).expanduser()
    if not folder.exists() and is_hub_id(setting):
        folder = folder_of(setting, online)
    kind = read_index(folder)["_class_name"]
    if kind != PIPELINE:
        raise PriorNotFound(f"{folder} holds a {kind}; roughness and metallic are read by a {PIPELINE}.",
                            hint=f"Choose a Marigold appearance folder. {FREE}")
    pipeline = load_pipeline(folder, best_dtype(device) if dtype is None else dtype).to(device)
    names = list((pipeline.target_properties or {}).get("target_names") or [])
    places: dict[str, tuple[int, int]] = {}
    for target, title in enumerate(names):
        parts = pipeline.target_properties[title].get("sub_target_names") or []
        for channel, part in enumerate(parts):
            places |= {name: (target, channel) for name, words in NAMES.items() if part in words}
    if set(places) != set(NAMES):
        raise PriorNotFound(f"{folder} gives {', '.join(names) or 'nothing'}, but no roughness and metallic.",
                            hint=f"Choose Marigold's appearance model, not its lighting model. {FREE}")
    return SurfaceReader(pipeline, folder.name, places, len(names))
