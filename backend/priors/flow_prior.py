# SPDX-License-Identifier: GPL-3.0-or-later
"""Rectified-flow transformers as priors: one network, one straight line between noise and picture, many picture sizes.

What the families (`stable_diffusion_3`, `flux`, `z_image`) share: loading a genuine diffusers folder, reading prompts
with encoders that are larger than the network and let go afterwards, noise levels shifted towards noise for larger
pictures as the folder's scheduler says, and the same network at another picture size. A family says how its network is
called, how its text is read, and how large its pictures are.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from backend.priors.base import PriorTraits, TextEmbedding
from backend.priors.codecs import LatentCodec
from backend.priors.loading import CHOOSE, load_pipeline, read_index, weights_revision
from backend.priors.network_prior import NetworkPrior
from backend.priors.noise import FlowSchedule, flow_levels
from backend.priors.pipeline_text import TEXT_COMPONENTS, PipelineReader, fill
from backend.priors.text import EmbeddingCache, TextReader
from backend.priors.unet_prior import prepare, vae_dtype
from backend.priors.views import ViewCondition
from protocol.errors import BrokenWeights

PATCH = 2  # cells of a latent along the side of what these transformers take as one token
REMEMBERED = 64  # prompts; a long one of T5-XXL's or Qwen's is 8 MB
FEW_STEPS = ("schnell", "turbo", "lightning", "hyper", "flash")
"""Words in the names of checkpoints that were distilled to a few steps, and with them guidance into the weights."""


class FlowPrior(NetworkPrior):
    """See `Prior` and the module.

    Attributes:
        transformer: in eval mode, without gradients, on its device.
        usual_scale: see `PriorTraits`.
        codec_kind: the door to its space.
        patch: cells of that space along the side of a token.
        told: the guidance that a network with an input for it is told.
    """

    usual_scale: ClassVar[float]
    codec_kind: ClassVar[type[LatentCodec]] = LatentCodec
    patch: ClassVar[int] = PATCH
    told: float = 1.0

    def __init__(self, folder: Path, pipeline: Any, device: torch.device, dtype: torch.dtype, name: str,
                 revision: str) -> None:
        self.transformer = prepare(pipeline.transformer, device, dtype).eval().requires_grad_(False)
        self.device, self.dtype = device, dtype
        pipeline.vae = vae = prepare(pipeline.vae, device, vae_dtype(pipeline.vae, device, dtype))
        vae.enable_slicing()  # pictures of 1024 pixels; eight of them at once would take more than the transformer
        codec = self.codec_kind(vae, self.native_size(self.transformer.config, vae.config))
        self._check(folder, codec.latent_shape[0])
        named = f"{name} {folder.name}".lower()
        few_steps = any(word in named for word in FEW_STEPS) or bool(pipeline.config.get("is_distilled"))
        traits = PriorTraits(
            name=name, revision=revision, resolution=codec.resolution, channels="rgb", latent_shape=codec.latent_shape,
            latent_scale=codec.latent_scale, takes_guidance=not few_steps, usual_scale=self.usual_scale,
        )

        def load() -> _Text:
            fill(pipeline, folder, read.reads_on, dtype)
            return _Text(self, read.reads_on)

        read: TextReader = PipelineReader(pipeline, name, revision, load, device, dtype, EmbeddingCache(REMEMBERED))
        noise = self._schedule(pipeline.scheduler, codec, codec.resolution)
        super().__init__(traits, noise, codec, read, pipeline)
        self._sizes: dict[int, FlowPrior] = {codec.resolution: self}

    @staticmethod
    @abstractmethod
    def velocity(transformer: Any, x: Tensor, level: Tensor, text: TextEmbedding, told: float) -> Tensor:
        """One forward pass: the flow eps - x_0 at samples x (B, C, h, w) of level s (B,) in 0..1, float32.

        told: the guidance that a network is told which takes it as an input.
        """

    @staticmethod
    @abstractmethod
    def blank_text(transformer: Any, count: int) -> TextEmbedding:
        """As many texts of the largest size that the network is given, without content, where its weights are."""

    @abstractmethod
    def read_prompt(self, prompt: str, device: torch.device) -> TextEmbedding:
        """One row, read with the encoders that are in the pipeline now."""

    @classmethod
    def shift(cls, scheduler: Any, tokens: int, ratio: float) -> float:
        """See `shift_of`."""
        return shift_of(scheduler, tokens, ratio)

    @staticmethod
    @abstractmethod
    def channels(config: Any) -> int:
        """Latent channels that a transformer of this configuration takes."""

    @staticmethod
    def native_size(config: Any, vae: Any) -> int:
        """Pixels along an edge of the pictures that a transformer was trained on last, by its configuration and that
        of its VAE."""
        return int(vae.sample_size)

    @property
    def backbone(self) -> nn.Module:
        return self.transformer  # type: ignore[no-any-return]

    def network(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> Tensor:
        return self.velocity(self.transformer, x_t.to(self.dtype), self.noise.sigmas[t], text, self.told).float()

    def at(self, size: int) -> FlowPrior:
        """The same network and the same texts at another picture size, with the noise levels of that size.

        Raises ValueError unless size is a whole number of tokens.
        """
        if size not in self._sizes:
            side = self.traits.latent_scale * self.patch
            if size < side or size % side:
                raise ValueError(f"{self.traits.name} draws pictures of multiples of {side} px, not {size}")
            other = copy.copy(self)
            codec = self.codec
            assert isinstance(codec, LatentCodec)
            other.codec = sized = codec.at(size)
            other.traits = replace(self.traits, resolution=size, latent_shape=sized.latent_shape)
            other.noise = self._schedule(self.parts.scheduler, sized, max(self._sizes))
            self._sizes[size] = other
        return self._sizes[size]

    def _schedule(self, scheduler: Any, codec: LatentCodec, native: int) -> FlowSchedule:
        tokens = (codec.latent_shape[-1] // self.patch) ** 2
        shift = self.shift(scheduler, tokens, codec.resolution / native)
        return FlowSchedule(flow_levels(int(scheduler.config.num_train_timesteps), shift), self.device)

    def _check(self, folder: Path, latent_channels: int) -> None:
        taken = self.channels(self.transformer.config)
        if taken != latent_channels:
            raise BrokenWeights(
                f"{folder} can't guide distillation: its transformer takes {taken} channels where its VAE gives "
                f"{latent_channels}; it is made for editing or filling pictures.",
                hint="Set `prior` to a text-to-image model of the same family. " + CHOOSE,
            )

    @classmethod
    def load(
        cls,
        folder: Path,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        cache_folder: Path | None = None,
        name: str = "",
    ) -> Self:
        """Loads a diffusers folder of this family; the text encoders wait for the first prompt.

        Raises:
            PriorNotFound, BrokenWeights: see `loading.load_pipeline`; the latter also for a network that was made for
                something else, or a scheduler of another kind.
        """
        # Activations of these networks overflow float16; bfloat16 is slow on old hardware, but right.
        dtype = torch.bfloat16 if dtype == torch.float16 else dtype
        # Text encoders come later; what a folder leaves out on purpose, diffusers wants to be told once more.
        later = {part: None for part, what in read_index(folder).items()
                 if part in TEXT_COMPONENTS or what == [None, None]}
        pipeline = load_pipeline(folder, dtype, **later)
        revision = weights_revision(folder, cache_folder)
        return cls(folder, pipeline, torch.device(device), dtype, name or folder.name, revision)


class _Text:
    """A loaded text encoder as `TextReader` wants it."""

    def __init__(self, prior: FlowPrior, device: torch.device) -> None:
        self._prior, self._device = prior, device

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        return TextEmbedding.concatenate([self._prior.read_prompt(prompt, self._device) for prompt in prompts])


def shift_of(scheduler: Any, tokens: int, ratio: float) -> float:
    """How far noise levels are shifted (`noise.flow_levels`) for a picture of so many tokens.

    Schedulers with "dynamic shifting" (FLUX.1) tell it by the number of tokens, the others for the size that the model
    was trained on last; smaller pictures, `ratio` (0..1) of its side, take that much less (Esser et al. 2024, eq. 23).

    Raises BrokenWeights for a scheduler that does not go along a flow.
    """
    config: Mapping[str, Any] = scheduler.config
    straight = "FlowMatch" in type(scheduler).__name__ and not config.get("invert_sigmas")
    if not straight and not config.get("use_flow_sigmas"):
        raise BrokenWeights(
            f"The scheduler {type(scheduler).__name__} does not go along a rectified flow, as this transformer does.",
            hint="Use the scheduler_config.json that came with the model (FlowMatchEulerDiscreteScheduler). " + CHOOSE,
        )
    if config.get("use_dynamic_shifting"):
        fewest, most = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
        low, high = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
        mu = low + (high - low) * (tokens - fewest) / (most - fewest)
        return math.exp(mu) if config.get("time_shift_type", "exponential") == "exponential" else float(mu)
    shift = float(config.get("shift", config.get("flow_shift", 1.0)))
    return max(shift * ratio, 1.0) if shift > 1 else shift
