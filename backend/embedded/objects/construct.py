# SPDX-License-Identifier: GPL-3.0-or-later
"""A small vocabulary for building objects from primitives.

Z is up and the front faces -Y. Lengths are in any unit, since objects are normalised afterwards; `size` of a box is
its full extent, everything else is a radius or a full height. A paint is "main" (the captioned colour and pattern),
"accent" (the second colour, or the kind's natural one), or a name of NATURAL. `turn` rotates by degrees about X,
then Y, then Z; `along` lays a shape's Z axis along a direction instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import model as m
from .palette import COLOURS, NATURAL, PATTERNS, Colour
from .recipe import Recipe
from .templates import local_bound

Vector = Sequence[float] | np.ndarray
VARIATION = 0.04  # the uncaptioned differences between two objects of one recipe


def rotation(turn: Vector) -> np.ndarray:
    """(3, 3) local -> object: degrees about X, then Y, then Z."""
    x, y, z = (math.radians(v) for v in turn)
    cx, sx, cy, sy, cz, sz = math.cos(x), math.sin(x), math.cos(y), math.sin(y), math.cos(z), math.sin(z)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def frame(direction: Vector) -> np.ndarray:
    """(3, 3) local -> object whose third column is the direction, made unit."""
    z = np.asarray(direction, dtype=np.float64)
    z = z / np.linalg.norm(z)
    helper = np.array([1.0, 0, 0]) if abs(z[0]) < 0.9 else np.array([0, 1.0, 0])
    y = np.cross(z, helper)
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)


IDENTITY = np.eye(3)


class Builder:
    """Collects the primitives of one object."""

    def __init__(self, recipe: Recipe, rng: np.random.Generator, accent: Colour | str = "white") -> None:
        self.recipe = recipe
        self.rng = rng
        self.rows: list[np.ndarray] = []
        self.head: tuple[np.ndarray, float] | None = None  # centre of a hat's brim and the head's radius there
        self.top: tuple[np.ndarray, float] | None = None  # middle of a surface that carries things, half its width
        self._fresh = True
        self._natural_accent = NATURAL[accent] if isinstance(accent, str) else accent

    # What a kind may ask about

    @property
    def dotted(self) -> bool:
        return self.recipe.pattern == "dotted"

    def vary(self, value: float) -> float:
        """The value within VARIATION of itself: the differences that no caption tells."""
        return value * (1.0 + VARIATION * float(self.rng.uniform(-1, 1)))

    def main_colours(self) -> tuple[Colour, Colour]:
        """The two colours of the main paint."""
        pattern = PATTERNS[self.recipe.pattern]
        if pattern.own is not None:
            return pattern.own
        first = COLOURS[self.recipe.colour]
        if pattern.other is not None:
            return first, pattern.other
        if pattern.second:
            return first, COLOURS[self.recipe.second or "white"]
        return first, first

    def accent_colour(self) -> Colour:
        pattern = PATTERNS[self.recipe.pattern]
        if self.recipe.second and not pattern.second:
            return COLOURS[self.recipe.second]
        return self._natural_accent

    # Shapes

    def sphere(self, at: Vector, r: float, paint: str = "main", **how: Any) -> None:
        self._add(m.SPHERE, (r,), at, paint, **how)

    def ellipsoid(self, at: Vector, radii: Vector, paint: str = "main", **how: Any) -> None:
        self._add(m.ELLIPSOID, radii, at, paint, **how)

    def box(self, at: Vector, size: Vector, paint: str = "main", round: float = 0.0, **how: Any) -> None:
        half = [v / 2 for v in size]
        self._add(m.BOX, half, at, paint, rounding=min(round, min(half)), **how)

    def cylinder(self, at: Vector, r: float, h: float, paint: str = "main", round: float = 0.0, **how: Any) -> None:
        """Centred, of full height h along Z."""
        self._add(m.CYLINDER, (r, h / 2), at, paint, rounding=min(round, r, h / 2), **how)

    def cone(self, at: Vector, r1: float, r2: float, h: float, paint: str = "main", **how: Any) -> None:
        """Truncated cone on the base point `at`, radius r1 there and r2 at height h."""
        how_turn = self._matrix(how.pop("turn", None), how.pop("along", None))
        centre = np.asarray(at, dtype=np.float64) + how_turn[:, 2] * (h / 2)
        self._add(m.CONE, (r1, r2, h / 2), centre, paint, matrix=how_turn, **how)

    def limb(self, p: Vector, q: Vector, r1: float, r2: float | None = None, paint: str = "main", **how: Any) -> None:
        """From p to q with round ends, radius r1 at p and r2 at q (the same when None)."""
        start, end = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
        length = float(np.linalg.norm(end - start))
        r2 = r1 if r2 is None else r2
        # A ball that swallows the other is no hull: shorten the difference.
        r2 = min(max(r2, r1 - 0.98 * length), r1 + 0.98 * length)
        self._add(m.ROUND_CONE, (r1, r2, length), start, paint, matrix=frame(end - start), **how)

    def ring(self, at: Vector, r: float, thickness: float, paint: str = "main", **how: Any) -> None:
        """Torus about Z: r to the middle of a tube of radius `thickness`."""
        self._add(m.TORUS, (r, thickness), at, paint, **how)

    def arc(self, at: Vector, r: float, thickness: float, paint: str = "main", degrees: float = 180.0,
            towards: Vector = (1, 0, 0), axis: Vector = (0, 1, 0), **how: Any) -> None:  # fmt: skip
        """Part of a ring about `axis`, its middle in the direction `towards`, `degrees` long in all."""
        half = math.radians(degrees / 2)
        y = np.asarray(towards, dtype=np.float64)
        y = y / np.linalg.norm(y)
        z = np.asarray(axis, dtype=np.float64)
        z = z / np.linalg.norm(z)
        matrix = np.stack([np.cross(y, z), y, z], axis=1)
        self._add(m.ARC, (r, thickness, math.sin(half), math.cos(half)), at, paint, matrix=matrix, **how)

    def prism(self, at: Vector, size: Vector, paint: str = "main", round: float = 0.0, **how: Any) -> None:
        """A gable roof: isosceles triangle in XZ, extruded along Y; size is its full extent, `at` its middle."""
        self._add(m.PRISM, (size[0] / 2, size[2] / 2, size[1] / 2), at, paint, rounding=round, **how)

    def pyramid(self, at: Vector, size: Vector, paint: str = "main", **how: Any) -> None:
        self._add(m.PYRAMID, (size[0] / 2, size[1] / 2, size[2] / 2), at, paint, **how)

    def cap(self, at: Vector, r: float, above: float, paint: str = "main", **how: Any) -> None:
        """The part of the ball of radius r about `at` that is higher than `above` in its own frame."""
        self._add(m.CAP, (r, above), at, paint, **how)

    def star(self, at: Vector, outer: float, inner: float, depth: float, paint: str = "main", **how: Any) -> None:
        """Five-pointed star facing -Y, of full thickness `depth`."""
        self._add(m.STAR, (outer, inner, depth / 2), at, paint, **how)

    def group(self) -> None:
        """What follows is a part of its own: its cuts do not touch what came before, nor earlier cuts it."""
        self._fresh = True

    def wear_on(self, at: Vector, r: float) -> None:
        """Where a hat sits: the middle of its brim, and the head's radius there."""
        self.head = (np.asarray(at, dtype=np.float64), r)

    def carry_on(self, at: Vector, half_width: float) -> None:
        """Where things stand: the middle of the surface, and half of its smaller width."""
        self.top = (np.asarray(at, dtype=np.float64), half_width)

    # Inner part

    @staticmethod
    def _matrix(turn: Vector | None, along: Vector | None) -> np.ndarray:
        if along is not None:
            return frame(along)
        return rotation(turn) if turn is not None else IDENTITY

    def _add(self, kind: int, dims: Vector, at: Vector, paint: str, turn: Vector | None = None,
             along: Vector | None = None, matrix: np.ndarray | None = None, rounding: float = 0.0, blend: float = 0.0,
             cut: bool = False, keep: bool = False, decal: bool = False) -> None:  # fmt: skip
        """One row. blend: width of a smooth seam; cut: take away; keep: intersect; decal: only repaint."""
        local = np.zeros(4)
        local[: len(dims)] = dims
        to_object = self._matrix(turn, along) if matrix is None else matrix
        position = np.asarray(at, dtype=np.float64)
        row = np.zeros(m.COLUMNS)
        row[m.TYPE] = kind
        fresh = self._fresh and not (cut or keep or decal)
        row[m.OP] = (
            m.PAINT if decal else m.CUT if cut else m.INTERSECT if keep
            else m.NEW if fresh else m.BLEND if blend > 0 else m.UNION
        )  # fmt: skip
        self._fresh = self._fresh and not fresh
        row[m.SMOOTH], row[m.ROUND], row[m.DIMS] = blend, rounding, local
        row[m.MATRIX] = to_object.T.reshape(-1)
        row[m.OFFSET] = -to_object.T @ position
        row[m.SAFE] = 1.0
        centre, radius = local_bound(kind, local, rounding)
        row[m.BOUND_CENTRE] = to_object @ centre + position
        row[m.BOUND_RADIUS] = radius + 0.5 * blend
        self._paint(row, paint)
        self.rows.append(row)

    def _paint(self, row: np.ndarray, paint: str) -> None:
        row[m.PATTERN_FREQUENCY] = 1.0
        if paint == "main":
            row[m.COLOUR_A], row[m.COLOUR_B] = self.main_colours()
            row[m.PATTERN] = PATTERNS[self.recipe.pattern].number
        elif paint == "flat main":  # the main colour without its pattern, for small parts
            row[m.COLOUR_A] = row[m.COLOUR_B] = self.main_colours()[0]
        elif paint == "second":
            row[m.COLOUR_A] = row[m.COLOUR_B] = self.main_colours()[1]
        elif paint == "accent":
            row[m.COLOUR_A] = row[m.COLOUR_B] = self.accent_colour()
        else:
            row[m.COLOUR_A] = row[m.COLOUR_B] = NATURAL[paint]

    def primitives(self) -> m.FloatArray:
        """All rows, (P, COLUMNS) float32, not yet normalised."""
        return np.array(self.rows, dtype=np.float32)
