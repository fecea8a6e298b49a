# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes of no kind: a few primitives thrown together, spoken of as "object", "thing" or any other noun.

What is painted may have any shape, and its name need not be one that a prior knows. Networks that are shown the shape
learn from these that the noun does not matter, and that a pattern covers whatever surface there is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .construct import Builder
from .recipe import Kind

MOST_PARTS = 6
NOUNS = (
    "thing", "shape", "model", "sculpture", "mesh", "form", "figurine", "ornament", "gadget", "toy", "part", "block",
    "statue", "prop", "piece", "structure", "device", "relic", "gear", "pipe", "knob", "shell", "bone", "pebble",
)  # fmt: skip


def shape(b: Builder) -> None:
    """One to six primitives of random sort, size, place and turn, melted together or not, now and then with a cut."""
    rng = b.rng
    parts = 1 if rng.random() < 0.15 else int(rng.integers(2, MOST_PARTS + 1))
    for number in range(parts):
        at = np.zeros(3) if number == 0 else rng.normal(size=3) * (0.55, 0.55, 0.7)
        size = rng.uniform(0.35, 1.0, 3) * (1.0 if number == 0 else 0.8)
        how: dict[str, Any] = {"blend": float(rng.uniform(0.08, 0.4))} if number and rng.random() < 0.5 else {}
        turn = rng.uniform(0, 360, 3) if rng.random() < 0.6 else (0, 0, 0)
        sort = int(rng.integers(9))
        if sort == 0:
            b.sphere(at, size[0], **how)
        elif sort == 1:
            b.ellipsoid(at, size, turn=turn, **how)
        elif sort in (2, 3):
            b.box(at, 1.7 * size, round=float(rng.uniform(0.0, 0.2)), turn=turn, **how)
        elif sort == 4:
            b.cylinder(at, 0.8 * size[0], 2.2 * size[1], round=0.05, turn=turn, **how)
        elif sort == 5:
            b.cone(at, size[0], 0.5 * size[1], 1.8 * size[2], turn=turn, **how)
        elif sort == 6:
            b.ring(at, size[0], 0.15 + 0.25 * size[1], turn=turn, **how)
        elif sort == 7:
            b.limb(at, at + rng.normal(size=3) * 0.9, 0.5 * size[0], 0.5 * size[1], **how)
        else:
            b.pyramid(at, 1.9 * size, turn=turn, **how)
    if rng.random() < 0.15:
        b.sphere(rng.normal(size=3) * 0.8, float(rng.uniform(0.3, 0.6)), cut=True)


NAMELESS = Kind("object", shape, NOUNS)
