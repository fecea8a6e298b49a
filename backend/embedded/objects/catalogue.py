# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds by name, and the building of an object from its recipe."""

from __future__ import annotations

import numpy as np

from . import furniture, plants, vessels
from .construct import Builder
from .model import FloatArray, ProceduralObject, normalised, transformed, with_pattern_frame
from .palette import PROPORTIONS
from .recipe import Kind, Recipe

FAMILIES: dict[str, tuple[Kind, ...]] = {
    "furniture": furniture.KINDS,
    "vessels": vessels.KINDS,
    "plants": plants.KINDS,
}
KINDS: dict[str, Kind] = {kind.name: kind for family in FAMILIES.values() for kind in family}


def _single(recipe: Recipe, rng: np.random.Generator) -> tuple[FloatArray, Builder]:
    """One thing, normalised, with the builder that knows where its head and its top are (in its own units)."""
    if recipe.kind not in KINDS:
        raise ValueError(f"no kind {recipe.kind!r}; there are {', '.join(KINDS)}")
    kind = KINDS[recipe.kind]
    builder = Builder(recipe, rng, kind.accent_paint)
    kind.build(builder)
    rows = builder.primitives()
    if recipe.proportion:
        rows = transformed(rows, np.diag(PROPORTIONS[recipe.proportion][0]), np.zeros(3))
    return with_pattern_frame(normalised(rows)), builder


def build(recipe: Recipe, rng: np.random.Generator) -> ProceduralObject:
    """The object of a recipe, normalised. rng gives the small uncaptioned variation (about 4 % in a few sizes).

    Raises ValueError when the kind is unknown or cannot take part in the relation asked for.
    """
    rows, _ = _single(recipe, rng)
    return ProceduralObject(rows, recipe)
