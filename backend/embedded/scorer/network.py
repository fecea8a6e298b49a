# SPDX-License-Identifier: GPL-3.0-or-later
"""The scorer's two towers: a small convolutional one for pictures and a projection of the frozen sentence vector.

Both end in a unit vector of `Sizes.joint` numbers; their dot product times a learned scale says how well a picture fits
a sentence (CLIP, Radford et al. 2021, section 2.3). Three linear heads on the picture's features name its kind, its
colour and its pattern; they steady the training and let a picture be read without a sentence.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PICTURE_SIZE = 32
"""Pixels along an edge of what the picture tower sees."""

SENTENCE_SIZE = 384
"""Length of the sentence encoder's pooled vector."""


@dataclass(frozen=True)
class Sizes:
    """Everything that fixes the network's shape. `kinds`, `colours` and `patterns` are the names the heads know."""

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    patterns: tuple[str, ...]
    widths: tuple[int, ...] = (24, 48, 96, 160)
    joint: int = 128

    def __post_init__(self) -> None:
        if not (self.kinds and self.colours and self.patterns):
            raise ValueError("the heads need at least one kind, one colour and one pattern")
        if len(self.widths) != 4 or min(self.widths) < 4:
            raise ValueError("widths must be four numbers of 4 or more")

    def to_map(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_map(values: dict[str, object]) -> Sizes:
        return Sizes(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})  # type: ignore[arg-type]


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside an identity (He et al. 2016)."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(x + self.second_norm(self.second(inner)))


def halving(before: int, after: int) -> nn.Sequential:
    """Half the resolution, another width."""
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class PictureTower(nn.Module):
    """(B, 3, 32, 32) in 0..1 to features (B, widths[-1]): the mean and what stands out most, added."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        a, b, c, d = sizes.widths
        self.body = nn.Sequential(
            halving(3, a), halving(a, b), Residual(b), halving(b, c), Residual(c), halving(c, d), Residual(d)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.body(pictures * 2.0 - 1.0)
        return x.mean(dim=(2, 3)) + x.amax(dim=(2, 3))


class ScorerNetwork(nn.Module):
    """Both towers, the three heads and the scale of the similarity."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes = sizes
        features = sizes.widths[-1]
        self.pictures = PictureTower(sizes)
        self.picture_joint = nn.Linear(features, sizes.joint)
        self.sentence_joint = nn.Sequential(
            nn.Linear(SENTENCE_SIZE, 256), nn.LayerNorm(256), nn.GELU(), nn.Linear(256, sizes.joint)
        )
        self.kind = nn.Linear(features, len(sizes.kinds))
        self.colour = nn.Linear(features, len(sizes.colours))
        self.pattern = nn.Linear(features, len(sizes.patterns))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 / 0.07)))  # CLIP's start

    def embed_pictures(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 32, 32) in 0..1 to unit vectors (B, joint) and features (B, widths[-1])."""
        features = self.pictures(pictures)
        return functional.normalize(self.picture_joint(features), dim=-1), features

    def embed_sentences(self, vectors: Tensor) -> Tensor:
        """Sentence vectors (P, 384), as the encoder in `training.sentences` gives them, to unit vectors (P, joint)."""
        return functional.normalize(self.sentence_joint(vectors), dim=-1)

    def scale(self) -> Tensor:
        """What a dot product is multiplied by; at most 100, as in CLIP."""
        return self.log_scale.exp().clamp(max=100.0)

    def read(self, features: Tensor) -> dict[str, Tensor]:
        """Logits of the three heads, each (B, names)."""
        return {"kind": self.kind(features), "colour": self.colour(features), "pattern": self.pattern(features)}


def contrastive_loss(pictures: Tensor, sentences: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """CLIP's symmetric cross-entropy for a batch in which some pairs tell of the same thing.

    Args:
        pictures: (B, joint) unit vectors.
        sentences: (B + K, joint) unit vectors; row i belongs to picture i, the last K only to no or other pictures.
        scale: the scalar that turns dot products into logits.
        same: (B, B + K) bool, true where picture and sentence tell of the same thing: all those are right answers and
            share the target evenly (otherwise two red mugs in one batch would teach that a red mug is no red mug).
    """
    logits = scale * pictures @ sentences.T
    right = same.float()
    own = len(pictures)
    to_sentences = functional.cross_entropy(logits, right / right.sum(dim=1, keepdim=True))
    columns = right[:, :own].T
    to_pictures = functional.cross_entropy(logits[:, :own].T, columns / columns.sum(dim=1, keepdim=True))
    return 0.5 * (to_sentences + to_pictures)
