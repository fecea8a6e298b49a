# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards read together with the geometry that their pictures show, for control networks, from several folders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ..geometry import averaged, geometry_channels
from .dataset import Batch, Shard, ShardFolder
from .latent_prior import LatentFolder


@dataclass(frozen=True)
class SeenBatch:
    """A batch and its geometry (B, 31, S, S) float32; see `backend.embedded.geometry`."""

    batch: Batch
    geometry: torch.Tensor

    def to(self, device: torch.device) -> SeenBatch:
        return SeenBatch(self.batch.to(device), self.geometry.to(device, non_blocking=True))


def geometry_at(cells: int, places: Sequence[tuple[Shard, int]]) -> torch.Tensor:
    """(B, 31, S, S) float32 of rows of shards that hold positions, each cell the mean of `cells` x `cells` pixels."""
    seen = []
    for shard, row in places:
        assert shard.positions is not None
        layers = (shard.normals[row] / np.float32(127), shard.albedo[row, ..., 3:] / np.float32(255),
                  shard.positions[row].astype(np.float32))  # fmt: skip
        seen.append(np.concatenate(layers, axis=-1))
    layers = torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2)
    return geometry_channels(*averaged(layers[:, :3], layers[:, 3:4], layers[:, 4:], cells))


F = TypeVar("F", bound=ShardFolder)


class Folders(ABC, Generic[F]):
    """Several folders of shards as one set, of which each gives a share of every batch.

    Args:
        folders: of shards.
        shares: how much of every batch comes from each, as long as it holds anything; normalised.
    """

    def __init__(self, folders: Sequence[F], shares: Sequence[float]) -> None:
        if len(folders) != len(shares) or min(shares) <= 0:
            raise ValueError("every folder needs a share above 0")
        self.folders, self.shares = list(folders), np.array(shares, dtype=np.float64)

    @property
    def names(self) -> list[str]:
        return [f"{number}/{name}" for number, folder in enumerate(self.folders) for name in folder.names]

    def __len__(self) -> int:
        return sum(len(folder) for folder in self.folders)

    def rescan(self) -> None:
        for folder in self.folders:
            folder.rescan()

    def reopened(self, names: Sequence[str]) -> list[Any]:
        """Each folder with exactly those of its shards that `names` names."""
        split = [name.split("/", 1) for name in names]
        return [folder.reopen([name for place, name in split if int(place) == number])
                for number, folder in enumerate(self.folders)]  # fmt: skip

    def draw(self, count: int, rng: np.random.Generator) -> SeenBatch:
        """`count` samples, from every folder that holds any by its share."""
        share = self.shares * [len(folder) > 0 for folder in self.folders]
        counts = rng.multinomial(count, share / share.sum())
        parts = [self._draw(number, int(part), rng) for number, part in enumerate(counts) if part]
        batches = [part.batch for part in parts]
        columns = (torch.cat([getattr(batch, name) for batch in batches]) for name in Batch.__dataclass_fields__)
        return SeenBatch(Batch(*columns), torch.cat([part.geometry for part in parts]))

    @abstractmethod
    def _draw(self, number: int, count: int, rng: np.random.Generator) -> SeenBatch:
        """`count` samples of one folder."""


class GeometryFolder(Folders[ShardFolder]):
    """Folders of shards with positions as one set that a `Trainer` draws from.

    Args:
        folders: `ShardFolder` or, for latents, `LatentFolder`; shards without positions are left out.
        shares: see `Folders`.
        cells: pixels along a side of what a cell of the prior's samples covers: 1 for pixels, 4 for our latents.
    """

    def __init__(self, folders: Sequence[ShardFolder], shares: Sequence[float], cells: int = 1) -> None:
        super().__init__(folders, shares)
        self.cells = cells

    @property
    def shards(self) -> list[Shard]:
        return [shard for folder in self.folders for shard in folder.shards]

    def reopen(self, names: Sequence[str]) -> GeometryFolder:
        """The same folders with exactly the shards `names`."""
        return GeometryFolder(self.reopened(names), self.shares.tolist(), self.cells)

    def _draw(self, number: int, count: int, rng: np.random.Generator) -> SeenBatch:
        return self.gather(number, rng.integers(0, len(self.folders[number]), count), rng.random(count))

    def gather(self, number: int, indices: npt.NDArray[np.int64], wording: npt.NDArray[np.float64]) -> SeenBatch:
        """Samples of one folder by index; `wording` in [0, 1) picks the caption."""
        folder = self.folders[number]
        places = [folder.place(int(index)) for index in indices]
        return SeenBatch(folder.gather(indices, wording), geometry_at(self.cells, places))


class PositionedShards(ShardFolder):
    """A folder's shards that hold positions."""

    def ready(self) -> list[str]:
        return [name for name in super().ready() if (self.folder / name / "positions.npy").exists()]

    def reopen(self, names: Sequence[str]) -> PositionedShards:
        return PositionedShards(self.folder, names)


class PositionedLatents(LatentFolder):
    """A folder's shards that hold positions and latents of one autoencoder."""

    def ready(self) -> list[str]:
        return [name for name in super().ready() if (self.folder / name / "positions.npy").exists()]

    def reopen(self, names: Sequence[str]) -> PositionedLatents:
        return PositionedLatents(self.folder, self.key, names)
