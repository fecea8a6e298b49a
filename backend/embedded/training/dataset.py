# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards of captioned renders: written once by a renderer, read at random by training.

A shard is a folder of plain `.npy` files that appears under its final name only when it is complete, so that a
training run may read a growing folder while another process fills it, and a killed writer loses one shard at most.
Shard number n depends only on the seed, the split and n. Pictures are stored unlit (albedo with straight alpha) with
camera-frame normals; training shades them itself, so that every stored view serves with many lights.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from .sentences import TOKENS, WIDTH, Sentences

Encode = Callable[[Sequence[str]], Sentences]


class ObjectSource(Protocol):
    """What the writer needs from `backend.embedded.objects`; tests bring a smaller one."""

    def sample(self, rng: np.random.Generator, split: str) -> Any: ...

    def captions(self, thing: Any, rng: np.random.Generator, count: int) -> list[str]: ...

    def label(self, thing: Any) -> str: ...

    # Albedo (N, S, S, 4) uint8, normals (N, S, S, 3) int8 and, for control networks, positions (N, S, S, 3) float16 in
    # the object's frame, 0 where nothing is hit.
    def render(
        self, things: list[Any], azimuth: npt.NDArray[np.float32], elevation: npt.NDArray[np.float32],
        zoom: npt.NDArray[np.float32], size: int, samples: int, device: str,
    ) -> tuple[npt.NDArray[Any], ...]: ...  # fmt: skip


@dataclass(frozen=True)
class ShardSettings:
    """How shards are drawn. `size` pixels a side, `samples` rays a pixel and side, `views` pictures an object at
    evenly spread azimuths, `captions` wordings an object, zoom uniform in `zoom` (1 = default framing)."""

    size: int
    objects: int = 256
    views: int = 6
    captions: int = 3
    samples: int = 2
    zoom: tuple[float, float] = (0.9, 1.1)
    split: str = "train"
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.size, self.objects, self.views, self.captions, self.samples) < 1:
            raise ValueError("size, objects, views, captions and samples must all be at least 1")
        if not 0.1 <= self.zoom[0] <= self.zoom[1] <= 2.0:
            raise ValueError(f"zoom range {self.zoom} must be ascending and within 0.1 to 2")


def sample_views(
    rng: np.random.Generator, objects: int, views: int, zoom: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """(objects * views, 3) float32: azimuth in -pi..pi, evenly spread per object from a random start with jitter;
    elevation in radians, seven in ten near 20 degrees, the rest uniform in -15..60 degrees; zoom uniform in `zoom`."""
    count = objects * views
    start = rng.uniform(-math.pi, math.pi, (objects, 1))
    steps = (np.arange(views)[None] + rng.uniform(-0.5, 0.5, (objects, views))) * (2 * math.pi / views)
    azimuth = np.mod(start + steps + math.pi, 2 * math.pi).reshape(-1) - math.pi
    near = np.clip(rng.normal(20.0, 10.0, count), -15.0, 60.0)
    wide = rng.uniform(-15.0, 60.0, count)
    elevation = np.radians(np.where(rng.random(count) < 0.7, near, wide))
    return np.stack([azimuth, elevation, rng.uniform(*zoom, count)], axis=1).astype(np.float32)


def write_shard(folder: Path, number: int, settings: ShardSettings, source: ObjectSource, encode: Encode,
                device: str) -> Path:  # fmt: skip
    """Render and write shard `number` below `folder`, unless it is there already; returns its folder."""
    final = folder / f"shard-{number:05d}"
    if final.exists():
        return final
    rng = np.random.default_rng([settings.seed, number, sum(settings.split.encode())])
    things = [source.sample(rng, settings.split) for _ in range(settings.objects)]
    captions = [source.captions(thing, rng, settings.captions) for thing in things]
    views = sample_views(rng, settings.objects, settings.views, settings.zoom)
    store(final, things, captions, views, settings, source, encode, device)
    return final


def write_watch(folder: Path, settings: ShardSettings, source: ObjectSource, encode: Encode, device: str) -> Path:
    """A shard for watching a run: half training objects, half held out, each at `settings.views` even azimuths from 0
    (elevation 20 degrees, zoom 1), so that samples can be laid beside the truth."""
    final = folder / "watch"
    if final.exists():
        return final
    rng = np.random.default_rng([settings.seed, 77])
    half = settings.objects // 2
    things = [source.sample(rng, "train" if i < half else "held_out") for i in range(settings.objects)]
    captions = [source.captions(thing, rng, settings.captions) for thing in things]
    turn = np.tile(np.arange(settings.views) * (2 * math.pi / settings.views), settings.objects)
    views = np.stack([turn, np.full_like(turn, math.radians(20.0)), np.ones_like(turn)], axis=1).astype(np.float32)
    store(final, things, captions, views, settings, source, encode, device)
    return final


def store(final: Path, things: list[Any], captions: list[list[str]], views: npt.NDArray[np.float32],
          settings: ShardSettings, source: ObjectSource, encode: Encode, device: str) -> None:  # fmt: skip
    """Render `things` at `views` (objects * views, 3), encode their captions and write both to the folder `final`."""
    owner = np.repeat(np.arange(len(things), dtype=np.int32), settings.views)
    albedo, normals, *positions = source.render(
        [things[i] for i in owner], views[:, 0], views[:, 1], views[:, 2], settings.size, settings.samples, device
    )
    words = sorted({caption for wording in captions for caption in wording})
    row = {caption: i for i, caption in enumerate(words)}
    sentences = encode(words)
    lengths = sentences.mask.sum(1).numpy()
    partial = final.parent / f".partial-{final.name}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    arrays = {
        "albedo": albedo,
        "normals": normals,
        "views": views,
        "owner": owner,
        "caption_rows": np.array([[row[c] for c in wording] for wording in captions], dtype=np.int32),
        "tokens": sentences.tokens[sentences.mask].numpy().astype(np.float16),
        "token_starts": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "sentences": sentences.vector.numpy().astype(np.float16),
    }
    if positions:
        arrays["positions"] = positions[0]
    for name, array in arrays.items():
        np.save(partial / f"{name}.npy", array)
    notes = {"captions": words, "labels": [source.label(thing) for thing in things], "size": settings.size,
             "split": settings.split, "seed": settings.seed}  # fmt: skip
    (partial / "notes.json").write_text(json.dumps(notes), encoding="utf-8")
    partial.rename(final)


@dataclass(frozen=True)
class Batch:
    """Stored samples as tensors, as a `ShardFolder` gives them.

    `albedo` (B, S, S, 4) uint8, `normals` (B, S, S, 3) int8, `views` (B, 3) float32 azimuth, elevation, zoom;
    `tokens` (B, 24, 384) float32, `mask` (B, 24) bool, `sentence` (B, 384) float32.
    """

    albedo: torch.Tensor
    normals: torch.Tensor
    views: torch.Tensor
    tokens: torch.Tensor
    mask: torch.Tensor
    sentence: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__dataclass_fields__))


class Shard:
    """One complete shard folder, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        names = ("albedo", "normals", "views", "owner", "caption_rows", "tokens", "token_starts", "sentences")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
        self.albedo, self.normals, self.views = arrays["albedo"], arrays["normals"], arrays["views"]
        self.owner, self.caption_rows = np.array(arrays["owner"]), np.array(arrays["caption_rows"])
        self.tokens, self.sentences = arrays["tokens"], arrays["sentences"]
        place = folder / "positions.npy"
        self.positions = np.load(place, mmap_mode="r") if place.exists() else None
        self.token_starts = np.array(arrays["token_starts"])
        self.notes_path = folder / "notes.json"

    def __len__(self) -> int:
        return len(self.owner)

    def caption(self, index: int, wording: int = 0) -> str:
        """The caption of sample `index` in one of its wordings."""
        words = json.loads(self.notes_path.read_text(encoding="utf-8"))["captions"]
        return str(words[self.caption_rows[self.owner[index], wording]])


class ShardFolder:
    """All shards of a folder as one indexable set; `rescan` adds what a writer has finished since."""

    def __init__(self, folder: Path, names: Sequence[str] | None = None) -> None:
        """Open the shards of `folder`; `names`, from a checkpoint, opens exactly those, in that order."""
        self.folder = folder
        self.shards: list[Shard] = []
        self.rescan(names)

    def rescan(self, names: Sequence[str] | None = None) -> None:
        if names is None:
            names = self.ready()
        known = {shard.name for shard in self.shards}
        self.shards += [Shard(self.folder / name) for name in names if name not in known]
        self._ends = np.cumsum([len(shard) for shard in self.shards], dtype=np.int64)

    def reopen(self, names: Sequence[str]) -> ShardFolder:
        """The same folder with exactly the shards `names`."""
        return ShardFolder(self.folder, names)

    def ready(self) -> list[str]:
        """Names of the shards that may be read now."""
        return sorted(path.name for path in self.folder.glob("shard-*"))

    def pictures_of(self, shard: Shard, j: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The two arrays that `gather` stacks as `albedo` and `normals`."""
        return shard.albedo[j], shard.normals[j]

    @property
    def names(self) -> list[str]:
        return [shard.name for shard in self.shards]

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.shards else 0

    def place(self, index: int) -> tuple[Shard, int]:
        """The shard of a sample and its row there."""
        which = int(np.searchsorted(self._ends, index, side="right"))
        return self.shards[which], index - int(self._ends[which]) + len(self.shards[which])

    def draw(self, count: int, rng: np.random.Generator) -> Batch:
        """`count` samples, uniform with replacement, each with one of its object's wordings."""
        return self.gather(rng.integers(0, len(self), count), rng.random(count))

    def gather(self, indices: npt.NDArray[np.int64], wording: npt.NDArray[np.float64]) -> Batch:
        """Samples by index; `wording` in [0, 1) picks the caption."""
        count = len(indices)
        seen = []
        views = np.empty((count, 3), np.float32)
        tokens = np.zeros((count, TOKENS, WIDTH), np.float32)
        mask = np.zeros((count, TOKENS), bool)
        sentence = np.empty((count, WIDTH), np.float32)
        for i in range(count):
            shard, j = self.place(int(indices[i]))
            seen.append(self.pictures_of(shard, j))
            views[i] = shard.views[j]
            rows = shard.caption_rows[shard.owner[j]]
            row = rows[int(wording[i] * len(rows))]
            start, end = shard.token_starts[row], shard.token_starts[row + 1]
            tokens[i, : end - start] = shard.tokens[start:end]
            mask[i, : end - start] = True
            sentence[i] = shard.sentences[row]
        albedo, normals = (np.stack([pair[k] for pair in seen]) for k in (0, 1))
        return Batch(*(torch.from_numpy(a) for a in (albedo, normals, views, tokens, mask, sentence)))
