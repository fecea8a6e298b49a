# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a recipe by name, fresh or from the averaged weights of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from .loop import Recipe


def averaged_weights(checkpoint: Path) -> dict[str, Any]:
    """The averaged weights of a run's checkpoint as a state dict of its network."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    weights = dict(state["network"])
    # The average is stored in the order of the network's parameters, which is the order of its state dict
    # without buffers; the UNet and the autoencoder have none.
    if len(weights) != len(state["average"]):
        raise ValueError(f"{checkpoint} holds {len(state['average'])} averaged tensors for {len(weights)} weights")
    return dict(zip(weights, state["average"], strict=True))


def build(
    name: str, data: Path, size: str, device: torch.device, start: Path | None, autoencoder_run: Path | None
) -> Recipe:
    """The recipe `name` for the shards in `data`.

    `start` is a checkpoint whose averaged weights are the beginning: of the same recipe, or of a pixel prior for the
    latent one, which also needs `autoencoder_run`, the run folder of its autoencoder.
    """
    from .autoencoder import Autoencoder, AutoencoderSettings
    from .dataset import ShardFolder
    from .latent_prior import LATENTS, LatentPrior, LatentSettings, expanded
    from .pixel_prior import PixelPrior, PixelSettings, empty_sentence
    from .sentences import SentenceEncoder
    from .watch import WatchSet

    if name == "autoencoder":
        watched = ShardFolder(data, ["watch"]) if (data / "watch").exists() else None
        coder = Autoencoder(AutoencoderSettings(), device, watched)
        if start is not None:
            coder.network.load_state_dict(averaged_weights(start))
        return coder
    empty = empty_sentence(SentenceEncoder())
    watch = WatchSet.open(data) if (data / "watch").exists() else None
    if name == "pixel":
        prior = PixelPrior(PixelSettings(size=size), empty, device, watch)
        if start is not None:
            prior.network.load_state_dict(averaged_weights(start))
        return prior
    if name == "latent":
        latent = LatentPrior(LatentSettings(size=size), empty, load_autoencoder(autoencoder_run), device, watch)
        if start is not None:
            weights = averaged_weights(start)
            fresh = weights["conv_in.weight"].shape[1] != LATENTS
            latent.network.load_state_dict(expanded(weights) if fresh else weights)
        return latent
    raise ValueError(f"unknown recipe '{name}'")


def load_autoencoder(run: Path | None) -> AutoencoderKL:
    """The autoencoder with the averaged weights of its run, for inference."""
    from .autoencoder import AutoencoderSettings, build_autoencoder

    if run is None:
        raise ValueError("the latent prior needs the run folder of its autoencoder (--autoencoder-run)")
    vae = build_autoencoder(AutoencoderSettings())
    vae.load_state_dict(averaged_weights(run / "checkpoint.pt"))
    return vae.eval().requires_grad_(False)


def shipped_autoencoder() -> AutoencoderKL:
    """The autoencoder of the latent prior in the package, in float32, for inference."""
    folder = Path(__file__).parent.parent / "weights" / "latent"
    return AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32).requires_grad_(False)
