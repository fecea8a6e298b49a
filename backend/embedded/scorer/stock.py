# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures and captions that the scorer learns from: its own, drawn with its own seed.

They hold every combination of kind, colour and pattern, also those held out from the prior, because a judge must know
what it judges. Renders are kept unlit with normals and made into pictures anew each time (`pictures`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.embedded import objects as catalogue
from backend.embedded.objects.vocabulary import CORE, FULL
from backend.embedded.scorer.network import PICTURE_SIZE

SEED = 20_481
"""Apart from the prior's seeds (see the recipes in `backend.embedded.training`)."""

MATERIAL = "natural"
"""The colour head's name for things whose material brings its own colour."""


@dataclass(frozen=True)
class StockSettings:
    """What is drawn: `objects` things, `views` pictures and `captions` wordings of each.

    Cameras: azimuth anywhere; elevation uniform in `elevation` degrees; zoom uniform in `zoom` (1 is the default
    framing). Wider than the prior's, because the judge looks from where nothing was optimised. `held_out` is the share
    of objects with a combination that the prior never sees: a judge must know them, they are what it will judge.
    `full` is the share drawn from the whole catalogue; the others come from the core that the shipped prior is taught.
    """

    objects: int = 6000
    views: int = 5
    captions: int = 2
    elevation: tuple[float, float] = (-20.0, 70.0)
    zoom: tuple[float, float] = (0.85, 1.15)
    held_out: float = 0.2
    full: float = 0.35
    seed: int = SEED

    def __post_init__(self) -> None:
        if min(self.objects, self.views, self.captions) < 1:
            raise ValueError("objects, views and captions must be at least 1")


@dataclass(frozen=True)
class Stock:
    """Renders with their captions and labels.

    Attributes:
        albedo: (N, S, S, 4) uint8; normals: (N, S, S, 3) int8, camera frame.
        owner: (N,) int64, the object that each picture shows.
        captions: (O, C) int64 rows of `vectors`, the wordings of each object.
        vectors: (T, 384) float32 sentence vectors.
        same: (O,) int64; objects with an equal number are told apart by no caption.
        labels: (O, 3) int64 kind, colour and pattern as places in `names`.
        names: the three lists of names.
    """

    albedo: Tensor
    normals: Tensor
    owner: Tensor
    captions: Tensor
    vectors: Tensor
    same: Tensor
    labels: Tensor
    names: dict[str, list[str]]

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".partial")
        torch.save(
            {"tensors": {name: getattr(self, name) for name in _TENSORS}, "names": json.dumps(self.names)}, partial
        )
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> Stock:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Stock(**state["tensors"], names=json.loads(state["names"]))


_TENSORS = ("albedo", "normals", "owner", "captions", "vectors", "same", "labels")


def names_of(thing: catalogue.ProceduralObject) -> tuple[str, str, str]:
    """Kind, colour and pattern of an object as the heads name them."""
    return thing.kind, thing.colour or MATERIAL, thing.pattern


def draw(
    settings: StockSettings,
    encode: Callable[[Sequence[str]], Tensor],
    tell: Callable[[str], None] = lambda text: None,
    batch: int = 64,
) -> Stock:
    """Draws objects, renders them and encodes their captions. `encode` turns sentences into vectors (P, 384)."""
    rng = np.random.default_rng(settings.seed)
    splits = rng.random(settings.objects) < settings.held_out
    wide = rng.random(settings.objects) < settings.full
    things = [
        catalogue.sample(rng, "held_out" if split else "train", FULL if full else CORE)
        for split, full in zip(splits, wide, strict=True)
    ]
    tell(f"drew {len(things)} objects of {len(catalogue.KINDS)} kinds")
    wordings = [catalogue.captions(thing.recipe, rng, settings.captions) for thing in things]
    count = settings.objects * settings.views
    albedo = torch.empty(count, PICTURE_SIZE, PICTURE_SIZE, 4, dtype=torch.uint8)
    normals = torch.empty(count, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.int8)
    owner = torch.arange(settings.objects).repeat_interleave(settings.views)
    for start in range(0, count, batch * settings.views):
        rows = slice(start, min(start + batch * settings.views, count))
        size = rows.stop - rows.start
        albedo[rows], normals[rows] = catalogue.render(
            [things[i] for i in owner[rows]],
            rng.uniform(-math.pi, math.pi, size),
            np.radians(rng.uniform(*settings.elevation, size)),
            rng.uniform(*settings.zoom, size),
            PICTURE_SIZE,
            samples=2,
        )
        tell(f"rendered {rows.stop} of {count} pictures")
    words = sorted({caption for wording in wordings for caption in wording})
    row = {caption: place for place, caption in enumerate(words)}
    vectors = []
    for start in range(0, len(words), 512):
        vectors.append(encode(words[start : start + 512]))
        tell(f"encoded {min(start + 512, len(words))} of {len(words)} captions")
    names = {
        "kind": sorted({thing.kind for thing in things}),
        "colour": sorted({names_of(thing)[1] for thing in things}),
        "pattern": sorted({thing.pattern for thing in things}),
    }
    labels = [[names[head].index(name) for head, name in zip(names, names_of(thing), strict=True)] for thing in things]
    alike: dict[str, int] = {}
    same = [alike.setdefault(repr(thing.recipe), len(alike)) for thing in things]
    return Stock(
        albedo,
        normals,
        owner,
        torch.tensor([[row[caption] for caption in wording] for wording in wordings]),
        torch.cat(vectors).float(),
        torch.tensor(same),
        torch.tensor(labels),
        names,
    )
