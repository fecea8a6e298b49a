# SPDX-License-Identifier: GPL-3.0-or-later
"""What all checkpoints have in common, whatever their network: a codec beside it, and a reader of texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.base import Prior, PriorTraits, TextEmbedding
from backend.priors.codecs import Codec
from backend.priors.noise import NoiseSchedule
from backend.priors.text import TextReader


class NetworkPrior(Prior):
    """See `Prior`.

    Args:
        traits: what it is.
        noise: its noise levels, on the network's device.
        codec: between images and the network's space.
        read: text to embeddings.
        parts: the other things that came with the checkpoint (a pipeline, say), kept for features beyond distillation.
    """

    def __init__(
        self, traits: PriorTraits, noise: NoiseSchedule, codec: Codec, read: TextReader, parts: Any = None
    ) -> None:
        self.traits = traits
        self.noise = noise
        self.codec = codec
        self.read = read
        self.parts = parts

    @property
    @abstractmethod
    def backbone(self) -> nn.Module:
        """The network that denoises, whose attention layers a student may change."""

    @property
    @abstractmethod
    def time_embedding(self) -> tuple[nn.Module, int]:
        """The part of it whose output (B, n) tells every block the time, and n; a student adds the camera there."""

    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        return self.read(prompts)

    def release_text(self) -> None:
        self.read.release()

    def read_text_on(self, device: torch.device) -> None:
        self.read.move(device)

    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        return self.codec.encode(images, cheap)

    def decode(self, x: Tensor) -> Tensor:
        return self.codec.decode(x)
