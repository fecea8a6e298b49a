# SPDX-License-Identifier: GPL-3.0-or-later
"""The object model: an object is a list of coloured signed-distance primitives in one float32 array.

Each row is one primitive: its type and dimensions in its own frame, an affine map from the object's frame into
that frame, a factor that turns its local distance into a safe distance in the object's frame, how it combines with
the rows before it, a bounding sphere for culling, and its two colours with a solid pattern. The same array is read
by the Warp kernels (`sdf`, `tracer`) on the CPU and on CUDA. This module holds the layout, moves objects about and
normalises them; what the objects look like is told by the families of kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .recipe import Recipe

FloatArray = npt.NDArray[np.float32]

# Columns of one primitive. Kernels repeat these numbers through wp.constant in `sdf`.
TYPE, OP, SMOOTH, ROUND = 0, 1, 2, 3
DIMS = slice(4, 8)
MATRIX = slice(8, 17)  # object -> primitive frame, row major
OFFSET = slice(17, 20)  # local = matrix @ point + offset
SAFE = 20  # local distance * SAFE <= distance in the object's frame
BOUND_CENTRE, BOUND_RADIUS = slice(21, 24), 24
COLOUR_A, COLOUR_B = slice(25, 28), slice(28, 31)  # sRGB, 0..1
PATTERN, PATTERN_ORIGIN, PATTERN_FREQUENCY = 31, slice(32, 35), 35
PATTERN_LOW, PATTERN_HIGH = 36, 37  # heights between which the thing carries its pattern, in the pattern's frame
COLUMNS = 38

# Primitive types; their dimensions are told in `construct`.
SPHERE, ELLIPSOID, BOX, CYLINDER, CONE, ROUND_CONE, TORUS, ARC, PRISM, PYRAMID, CAP, STAR = range(12)

# How a primitive joins what came before it. NEW opens a group: cuts and intersections act inside their group only.
# PAINT changes no shape: it gives its colour to the part of its group's surface that lies inside it.
UNION, BLEND, CUT, INTERSECT, NEW, PAINT = range(6)

MAX_PRIMITIVES = 64  # one bit each in the tracer's culling mask
_TETRAHEDRON = np.array([[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
RADIUS = 0.9  # bounding-sphere radius of a normalised object, in the cube [-1, 1]^3


@dataclass(frozen=True)
class ProceduralObject:
    """A coloured solid with the recipe that made it.

    primitives: (P, COLUMNS) float32, 1 <= P <= MAX_PRIMITIVES, the first row of type NEW. recipe: the words it stands
    for (kind, colour, pattern, second colour, proportions, relation), from which captions are made.
    """

    primitives: FloatArray
    recipe: Recipe

    def __post_init__(self) -> None:
        p = self.primitives
        if p.ndim != 2 or p.shape[1] != COLUMNS or p.dtype != np.float32:
            raise ValueError(f"primitives must be (P, {COLUMNS}) float32, not {p.shape} {p.dtype}")
        if not 1 <= len(p) <= MAX_PRIMITIVES:
            raise ValueError(f"an object has 1 to {MAX_PRIMITIVES} primitives, not {len(p)}")
        if int(p[0, OP]) != NEW:
            raise ValueError("the first primitive of an object must open a group (op NEW)")
        if not np.isfinite(p).all():
            raise ValueError("primitives hold NaN or infinity")
        p.setflags(write=False)

    @property
    def kind(self) -> str:
        return self.recipe.kind

    @property
    def colour(self) -> str:
        return self.recipe.colour

    @property
    def pattern(self) -> str:
        return self.recipe.pattern

    def captions(self, rng: np.random.Generator, n: int = 1) -> list[str]:
        """n captions in varied wording; see `captions`."""
        from .captions import captions

        return captions(self.recipe, rng, n)


def transformed(primitives: FloatArray, matrix: np.ndarray, shift: np.ndarray) -> FloatArray:
    """The same object after p -> matrix @ p + shift. matrix: (3, 3), invertible; shift: (3,). Returns a new array."""
    m = np.asarray(matrix, dtype=np.float64)
    t = np.asarray(shift, dtype=np.float64)
    inverse = np.linalg.inv(m)
    out = primitives.astype(np.float64)
    a = out[:, MATRIX].reshape(-1, 3, 3) @ inverse
    out[:, MATRIX] = a.reshape(-1, 9)
    out[:, OFFSET] -= a @ t
    # The least stretch of local -> object, that is one over the largest stretch of object -> local.
    out[:, SAFE] = 1.0 / np.linalg.svd(a, compute_uv=False)[:, 0]
    scale = abs(np.linalg.det(m)) ** (1.0 / 3.0)
    out[:, BOUND_CENTRE] = out[:, BOUND_CENTRE] @ m.T + t
    out[:, BOUND_RADIUS] *= np.linalg.svd(m, compute_uv=False)[0]
    out[:, SMOOTH] *= scale
    out[:, PATTERN_ORIGIN] = out[:, PATTERN_ORIGIN] @ m.T + t
    out[:, PATTERN_FREQUENCY] /= scale
    return out.astype(np.float32)


def surface_points(primitives: FloatArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Points on the object's surface, (N, 3), and the row each belongs to, (N,): those points of every primitive's own
    surface that no other part hides; and points on seams and cut edges, whose row is -1."""
    from .templates import local_surface
    from .tracer import distances

    clouds, owners = [], []
    for index, row in enumerate(primitives):
        if row[OP] == PAINT:
            continue
        local = local_surface(int(row[TYPE]), row[DIMS].astype(np.float64), float(row[ROUND]))
        a = row[MATRIX].reshape(3, 3).astype(np.float64)
        clouds.append((local - row[OFFSET]) @ np.linalg.inv(a).T)
        owners.append(np.full(len(local), index))
    points, owner = np.concatenate(clouds), np.concatenate(owners)
    d = distances(primitives, points.astype(np.float32))
    extent = float(np.ptp(points, axis=0).max())
    seen = np.abs(d) < 0.01 * extent
    if np.isin(primitives[:, OP], (BLEND, CUT, INTERSECT)).any():
        # Seams and cut edges lie off the primitives' own surfaces: walk the points near them down the distance.
        near = ~seen & (np.abs(d) < 0.2 * extent)
        moved = points[near]
        for _ in range(3):
            corners = moved[:, None] + _TETRAHEDRON * (0.002 * extent)
            slopes = distances(primitives, corners.reshape(-1, 3).astype(np.float32)).reshape(-1, 4)
            gradient = slopes @ _TETRAHEDRON
            moved = moved - gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-12) * (
                slopes.mean(axis=1, keepdims=True)
            )
        points[near] = moved
        seen[near] = np.abs(distances(primitives, moved.astype(np.float32))) < 0.005 * extent
        owner[near] = -1
    return points[seen], owner[seen]


@dataclass(frozen=True)
class Framing:
    """The map p -> scale * p + shift that normalises an object, and its measures after it: bounding box (2, 3) and the
    lowest and highest point of its patterned parts."""

    scale: float
    shift: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]
    patterned: tuple[float, float]


def framing(primitives: FloatArray) -> Framing:
    """Centres the object's bounding box and gives its bounding sphere about that centre RADIUS."""
    points, owners = surface_points(primitives)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    scale = RADIUS / float(np.linalg.norm(points - centre, axis=1).max())
    points = (points - centre) * scale
    heights = points[(owners >= 0) & (primitives[owners, PATTERN] > 0), 2]
    patterned = (float(heights.min()), float(heights.max())) if len(heights) else (-RADIUS, RADIUS)
    return Framing(scale, -centre * scale, np.stack([points.min(axis=0), points.max(axis=0)]), patterned)


def framed(primitives: FloatArray, frame: Framing) -> FloatArray:
    """The object after a framing's map."""
    return transformed(primitives, np.eye(3) * frame.scale, frame.shift)


def with_pattern_frame(primitives: FloatArray, patterned: tuple[float, float]) -> FloatArray:
    """The rows of a normalised thing with their patterns centred on the origin, and the thing about six units across
    in them, so that a pattern's size is the same on every kind."""
    out = primitives.copy()
    frequency = 3.0 / RADIUS
    out[:, PATTERN_ORIGIN] = 0.0
    out[:, PATTERN_FREQUENCY] = frequency
    out[:, PATTERN_LOW], out[:, PATTERN_HIGH] = patterned[0] * frequency, patterned[1] * frequency
    return out
