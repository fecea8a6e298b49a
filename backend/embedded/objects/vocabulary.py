# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds and patterns a prior is taught.

The catalogue holds more kinds than a small network trained on two cores can learn: it would know all of them badly.
`CORE` is what the shipped prior is taught, shapes that differ from each other; `FULL` is everything, for training with
a GPU. Sampling, captions and evaluation go through one or the other, so that they always agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .catalogue import FAMILIES, KINDS
from .palette import PATTERNS
from .recipe import Kind


@dataclass(frozen=True)
class Vocabulary:
    """kinds: names of the catalogue. patterns: names of PATTERNS without "plain". Raises KeyError for others."""

    kinds: tuple[str, ...]
    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        missing = [name for name in self.kinds if name not in KINDS] + [p for p in self.patterns if p not in PATTERNS]
        if missing:
            raise KeyError(f"not in the catalogue: {', '.join(missing)}")

    @cached_property
    def all(self) -> tuple[Kind, ...]:
        return tuple(KINDS[name] for name in self.kinds)

    @cached_property
    def families(self) -> dict[str, tuple[Kind, ...]]:
        """The catalogue's families with only these kinds; empty ones are left out."""
        chosen = {name: tuple(k for k in kinds if k.name in self.kinds) for name, kinds in FAMILIES.items()}
        return {name: kinds for name, kinds in chosen.items() if kinds}

    def patterns_of(self, kind: Kind) -> tuple[str, ...]:
        """The patterns, besides plain, that the kind may have."""
        return tuple(p for p in self.patterns if kind.patterns is None or p in kind.patterns)


CORE = Vocabulary(
    kinds=(
        *("chair", "armchair", "table", "stool", "bed", "lamp"),
        *("mug", "vase", "bowl", "bottle", "teapot", "bucket", "barrel"),
        *("mushroom", "tree", "pine tree", "cactus", "flower"),
        *("apple", "cake", "ice cream", "donut", "carrot", "pumpkin"),
        *("car", "bus", "boat", "rocket", "aeroplane"),
        *("house", "castle tower", "windmill", "tent"),
        *("cat", "rabbit", "duck", "fish", "snail", "turtle"),
        *("robot", "snowman", "hat", "top hat", "crown"),
        *("hammer", "sword", "key", "chest", "ball", "candle", "umbrella", "book"),
    ),
    patterns=("striped", "dotted", "checkered", "wooden", "golden", "mossy", "stone", "glazed", "brick"),
)
FULL = Vocabulary(tuple(KINDS), tuple(name for name in PATTERNS if name != "plain"))
