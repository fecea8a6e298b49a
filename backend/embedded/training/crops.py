# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards of any size as pieces of one small size, at every scale: what a prior learns from that paints large pictures.

A network that is shown where on the object each pixel lies need not see the whole object (Wang et al. 2023, "Patch
Diffusion"): pieces of 32 px of a picture that is shrunk to 32, 64 or 128 px teach it all three sizes, and a piece costs
what a small picture costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ..geometry import averaged, geometry_channels
from .dataset import Batch, Shard
from .geometry_data import Folders, PositionedShards, SeenBatch

SIDE = 32
LARGEST = 128  # pixels of the pictures that pieces are taken from, at most
WHOLE_SHARE = 0.4  # of the pieces of large pictures: the whole object, shrunk; other scales share the rest


class Crops(Folders[PositionedShards]):
    """Folders of shards with positions as one set of pieces that a `Trainer` draws from: SIDE x SIDE of pictures that
    are SIDE times a power of two wide."""

    @classmethod
    def of(cls, places: Sequence[tuple[Path, float]]) -> Crops:
        return cls([PositionedShards(folder) for folder, _ in places], [share for _, share in places])

    def reopen(self, names: Sequence[str]) -> Crops:
        """The same folders with exactly the shards `names`."""
        return Crops(self.reopened(names), self.shares.tolist())

    def _draw(self, number: int, count: int, rng: np.random.Generator) -> SeenBatch:
        folder = self.folders[number]
        indices, wording = rng.integers(0, len(folder), count), rng.random(count)
        whole = folder.gather(indices, wording)
        pieces = [cut(*folder.place(int(index)), rng) for index in indices]
        albedo, normals, geometry = (torch.cat(column) for column in zip(*pieces, strict=True))
        batch = Batch(albedo, normals, whole.views, whole.tokens, whole.mask, whole.sentence)
        return SeenBatch(batch, geometry)


def cut(shard: Shard, row: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A `piece` of a shard's picture at a random scale, around a random place of the object."""
    scales = shard.albedo.shape[1] // SIDE
    factor = scales
    if scales > 1 and rng.random() >= WHOLE_SHARE:
        factor = 1 << int(rng.integers(0, scales.bit_length() - 1))
    return piece(shard, row, factor, *_corner(shard.albedo[row, ..., 3], factor, rng))


def piece(shard: Shard, row: int, factor: int, left: int, top: int) -> tuple[Tensor, Tensor, Tensor]:
    """SIDE x SIDE means of factor x factor pixels, the first of them at (left, top): albedo (1, SIDE, SIDE, 4) uint8,
    normals (1, SIDE, SIDE, 3) int8, geometry (1, 31, SIDE, SIDE) float32."""
    assert shard.positions is not None
    side = SIDE * factor
    place = (slice(top, top + side), slice(left, left + side))
    albedo = _layers(shard.albedo[row][place]) / 255
    coverage = albedo[:, 3:]
    colour = functional.avg_pool2d(albedo[:, :3] * coverage, factor)
    normals, covered, positions = averaged(_layers(shard.normals[row][place]) / 127, coverage,
                                           _layers(shard.positions[row][place]), factor)  # fmt: skip
    straight = torch.cat([colour / covered.clamp_min(1e-6), covered], 1)
    return (
        (straight * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1),
        (normals * 127).round().clamp(-127, 127).to(torch.int8).permute(0, 2, 3, 1),
        geometry_channels(normals, covered, positions),
    )


def _layers(picture: npt.NDArray[np.generic]) -> Tensor:
    """(1, C, H, W) float32 of a stored (H, W, C)."""
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]


def _corner(alpha: npt.NDArray[np.uint8], factor: int, rng: np.random.Generator) -> tuple[int, int]:
    """Left and top of a piece around a random pixel of the object, inside the picture."""
    size, side = len(alpha), SIDE * factor
    if side == size:
        return 0, 0
    rows, columns = np.nonzero(alpha > 0)
    if not len(rows):
        return 0, 0
    one = int(rng.integers(len(rows)))
    left, top = (int(np.clip(int(middle[one]) - side // 2, 0, size - side)) for middle in (columns, rows))
    return left, top
