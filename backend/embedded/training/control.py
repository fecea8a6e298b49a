# SPDX-License-Identifier: GPL-3.0-or-later
"""Control networks of the embedded priors: the shape that is to be painted enters as a picture of its geometry.

A genuine diffusers `ControlNetModel` (Zhang et al. 2023): a copy of the UNet's encoder that reads the geometry's
channels beside the noisy sample and adds to the skip connections of the UNet, which itself stays frozen, so that
everything measured with the plain prior stays true. The geometry is zero in a few samples, so that the network may be
left unguided as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn

from ..geometry import CHANNELS
from .autoencoder import LATENTS
from .conditioning import SENTENCE_NUMBERS
from .diffusion import SIZES, STEPS, build_network
from .geometry_data import PositionedShards, SeenBatch, geometry_at
from .latent_prior import LatentPrior, LatentSettings
from .pixel_prior import CHANNELS as PIXEL_CHANNELS
from .pixel_prior import PixelPrior, PixelSettings, empty_sentence
from .recipes import averaged_weights
from .sentences import SENTENCE_SCALE, SentenceEncoder
from .watch import SHOWN, TURN, WatchSet

BARE_SHARE = 0.05  # of samples without geometry
FIT_STEPS = 1500
FIT_BATCH = 128
CHANNELS_OF = {"pixel": PIXEL_CHANNELS, "latent": LATENTS}


@dataclass(frozen=True)
class PixelControlSettings(PixelSettings):
    """Mostly unlit pictures, since textures are; mostly much noise, where a pattern can only come from the geometry."""

    lit_share: float = 0.1
    high: tuple[float, float] = (0.6, 1.0)
    high_share: float = 0.75


@dataclass(frozen=True)
class LatentControlSettings(LatentSettings):
    lit_share: float = 0.1
    high: tuple[float, float] = (0.2, 1.0)
    high_share: float = 0.6


def control_like(config: Any) -> ControlNetModel:
    """A fresh control network of the sizes of a UNet's configuration, shown the geometry at the UNet's own cells.

    Every level attends to the words, the fine ones to them alone (attention among 1024 pixels would cost as much as
    all the rest): "yellow stripes on purple" is for each pixel the question which of the two words is its own.
    """
    levels = len(config.block_out_channels)
    attends = [kind.startswith("CrossAttn") for kind in config.down_block_types]
    network = ControlNetModel(
        in_channels=config.in_channels,
        conditioning_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        only_cross_attention=tuple(not one for one in attends),
        mid_block_type=config.mid_block_type,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_num_groups,
        cross_attention_dim=config.cross_attention_dim,
        attention_head_dim=config.attention_head_dim,
        class_embed_type=config.class_embed_type,
        resnet_time_scale_shift=config.resnet_time_scale_shift,
        projection_class_embeddings_input_dim=config.projection_class_embeddings_input_dim,
        conditioning_embedding_out_channels=config.block_out_channels[:1],
    )
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "attentions" in name and "proj_out" in name:
                parameter.zero_()  # attention that the UNet doesn't have begins without a say
    return network


def empty_control(kind: str) -> ControlNetModel:
    """The network of the kind 'pixel' or 'latent' in the shipped size, for weights to be loaded into."""
    channels = CHANNELS_OF[kind]
    return control_like(build_network(SIZES["small"], channels, channels, 32).config)


def build_control(unet: UNet2DConditionModel, fit: bool = True) -> ControlNetModel:
    """A control network that begins as the encoder of `unet` and says nothing yet.

    ControlNetModel fixes the width of its time embedding at four times the first block's; where ours is another, the
    copy is fitted to give every block what it had (unless `fit` is False, for one that takes a run's weights).
    """
    control = control_like(unet.config)
    known = unet.state_dict()
    mine = control.state_dict()
    shared = {name: known[name] for name, value in mine.items() if name in known and known[name].shape == value.shape}
    control.load_state_dict({**mine, **shared})
    if fit and control.time_embedding.linear_2.weight.shape != unet.time_embedding.linear_2.weight.shape:
        fit_embedding(control, unet)
    # The layer that hands the geometry on begins small rather than at zero: the outputs are zero already, and behind
    # two zeros in a row learning starts late.
    nn.init.normal_(control.controlnet_cond_embedding.conv_out.weight, std=0.02)
    return control.to(memory_format=torch.channels_last)


def _time_projections(network: nn.Module) -> list[nn.Linear]:
    return [module.time_emb_proj for part in (network.down_blocks, network.mid_block) for module in part.modules()
            if hasattr(module, "time_emb_proj")]  # fmt: skip


def fit_embedding(control: ControlNetModel, unet: UNet2DConditionModel) -> float:
    """Teaches the narrower time and class embedding of `control` to give each block what `unet`'s gives it, on random
    views and sentence vectors; returns the last error as a share of the variance."""
    generator = torch.Generator().manual_seed(0)
    numbers = unet.config.projection_class_embeddings_input_dim
    teacher, student = _time_projections(unet), _time_projections(control)
    with torch.no_grad():
        for theirs, ours in ((unet.time_embedding, control.time_embedding),
                             (unet.class_embedding, control.class_embedding)):  # fmt: skip
            for name, value in ours.state_dict().items():
                value.copy_(theirs.state_dict()[name][tuple(slice(0, side) for side in value.shape)])
    learned = [*control.time_embedding.parameters(), *control.class_embedding.parameters(),
               *(p for layer in student for p in layer.parameters())]  # fmt: skip
    optimiser = torch.optim.Adam(learned, 2e-3)
    shrink = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, FIT_STEPS)

    def told(network: Any, layers: list[nn.Linear], t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        state = network.time_embedding(network.time_proj(t)) + network.class_embedding(labels)
        return torch.cat([layer(nn.functional.silu(state)) for layer in layers], dim=-1)

    for _ in range(FIT_STEPS):
        t = torch.randint(0, STEPS, (FIT_BATCH,), generator=generator)
        views = torch.randn(FIT_BATCH, numbers - SENTENCE_NUMBERS, generator=generator) * 0.7
        words = torch.randn(FIT_BATCH, SENTENCE_NUMBERS, generator=generator)
        words = nn.functional.normalize(words, dim=-1) * SENTENCE_SCALE
        labels = torch.cat([views, words], dim=-1)
        with torch.no_grad():
            target = told(unet, teacher, t, labels)
        found = told(control, student, t, labels)
        error = (found - target).square().mean() / target.var()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        shrink.step()
    return float(error.detach())


class Controlled(nn.Module):
    """A UNet with a control network before given geometry (B, 31, S, S), callable like the UNet on any whole number
    of repetitions of the B samples."""

    def __init__(self, unet: UNet2DConditionModel, control: ControlNetModel, geometry: torch.Tensor) -> None:
        super().__init__()
        self.unet, self.control, self.geometry = unet, control, geometry

    def forward(self, noisy: torch.Tensor, t: torch.Tensor, encoder_hidden_states: torch.Tensor,
                encoder_attention_mask: torch.Tensor, class_labels: torch.Tensor) -> Any:  # fmt: skip
        geometry = self.geometry.repeat(len(noisy) // len(self.geometry), 1, 1, 1)
        down, middle = self.control(
            noisy, t, encoder_hidden_states, geometry.contiguous(memory_format=torch.channels_last),
            class_labels=class_labels, return_dict=False,
        )  # fmt: skip
        return self.unet(
            noisy, t, encoder_hidden_states, class_labels=class_labels, encoder_attention_mask=encoder_attention_mask,
            down_block_additional_residuals=down, mid_block_additional_residual=middle,
        )  # fmt: skip


def prior_of(kind: str, folder: Path, device: torch.device, watch_set: WatchSet | None) -> PixelPrior:
    """The recipe of the prior in a weights folder, as what a control network is trained on: 'pixel' or 'latent'."""
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32)
    empty = empty_sentence(SentenceEncoder())
    prior: PixelPrior
    if kind == "latent":
        vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32)
        prior = LatentPrior(LatentControlSettings(), empty, vae.requires_grad_(False), device, watch_set)
    else:
        prior = PixelPrior(PixelControlSettings(), empty, device, watch_set)
    prior.network = unet.to(memory_format=torch.channels_last)
    return prior


def begin(prior: PixelPrior, start: Path | None) -> ControlNetModel:
    """A control network for `prior`: the copy of its encoder or, where `start` is a run's checkpoint, that network's
    averages as far as they fit; what a latent sample has more than a pixel one comes from the copy."""
    network = build_control(prior.network, fit=start is None)
    if start is None:
        return network
    mine = network.state_dict()
    weights = averaged_weights(start)
    fit = {name: value for name, value in weights.items() if mine[name].shape == value.shape}
    if (first := weights["conv_in.weight"]).shape[1] < mine["conv_in.weight"].shape[1]:
        # The first four channels of a latent are the picture that the pixel prior knows.
        fit["conv_in.weight"] = mine["conv_in.weight"].clone()
        fit["conv_in.weight"][:, : first.shape[1]] = first
    network.load_state_dict({**mine, **fit})
    return network


def watched_geometry(data: Path, cells: int) -> torch.Tensor:
    """(N, 31, S, S): the geometry of the views of the watch shard that are sampled; `cells` as of a GeometryFolder."""
    shards = PositionedShards(data, ["watch"])
    return geometry_at(cells, [shards.place(i) for i in range(0, len(shards), TURN // SHOWN)])


class ControlRecipe:
    """The recipe for `loop.Trainer`: a control network for `prior`, whose own network must hold its final weights."""

    def __init__(self, prior: PixelPrior, network: ControlNetModel, watched: torch.Tensor | None = None) -> None:
        self.prior, self.network, self.watched = prior, network, watched
        self.name = f"{prior.name} control"
        prior.network.to(prior.device).eval().requires_grad_(False)

    def loss(self, seen: SeenBatch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean squared error of v, its value per sample (B,), and t as a fraction of the schedule (B,)."""
        clean, condition = self.prior.examples(seen.batch, generator)
        shown = torch.rand(len(clean), generator=generator, device=self.prior.device) >= BARE_SHARE
        geometry = seen.geometry * shown.view(-1, 1, 1, 1)
        return self.prior.diffusion_loss(clean, condition, generator, self.controlled(geometry))

    def controlled(self, geometry: torch.Tensor, network: ControlNetModel | None = None) -> Controlled:
        return Controlled(self.prior.network, self.network if network is None else network, geometry)

    @torch.no_grad()
    def watch(self, network: ControlNetModel, path: Path) -> dict[str, Any]:
        """The prior's own watch sheet with the true geometry shown."""
        if self.watched is None:
            return {}
        return self.prior.watch(self.controlled(self.watched, network), path)
