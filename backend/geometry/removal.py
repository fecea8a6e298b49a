# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a piece out of a mesh and closing the surface over it, with everything else left as it was.

The rims of the hole are found, closed by a disc of triangles each, and faired with the rings around them held. Which
way a patch closes is chosen by how the surface meets its rim: a tube that was cut gets a cap, anything else goes on in
its own direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.fairing import fair
from backend.geometry.holes import clashes, collared, refine, split_edges, triangulate
from backend.geometry.mesh import face_areas, half_edge_keys
from backend.geometry.rims import TUBE, Rim, bridge_islands, find_rims, inwardness, plane_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FLAT = 0.02  # a rim is plane when no vertex is farther from its plane than this share of its diameter
RUNAWAY = 3.0  # a faired patch with more than this many times the area of the soap film has overshot
FAR = 2.5  # so have vertices farther from the rim's middle than so many times its radius
RINGS = 3  # of faces around a rim that fairing and texturing look at
ORDERS = {"flat": 1, "tangent": 2, "curved": 3}


class NothingToRemove(ValueError):
    """No face is selected."""


class NothingLeft(ValueError):
    """Every face is selected."""


@dataclass(frozen=True, eq=False)
class Patch:
    """How one hole was closed: closing (`flat`, `tangent` or `curved`), the rim's vertices before (n,), how many
    faces and new vertices it took, and its area over that of the soap film."""

    closing: str
    rim: Ints
    faces: int
    vertices: int
    overshoot: float


@dataclass(frozen=True, eq=False)
class Removal:
    """vertices (V', 3) float32 and faces (F', 3) int32 of the mesh without the piece; vertex_origin (V',) and
    face_origin (F',) int32, where each was before, -1 in a patch; patch (F',) int32 which patch a face belongs to, -1
    for none; patches; open_rims: how many stayed open because they ran into a border that was there before.

    What was there comes first, in its order and to the last bit.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    vertex_origin: NDArray[np.int32]
    face_origin: NDArray[np.int32]
    patch: NDArray[np.int32]
    patches: tuple[Patch, ...]
    open_rims: int


def remove_faces(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], gone: Bools, closing: str = "auto",
    tell: Callable[[float], None] = lambda share: None,
) -> Removal:
    """Takes out the faces `gone` (F,) and closes the holes. `tell(share)` may raise to stop.

    Vertices that only these faces used go with them; loose ones stay. Raises NothingToRemove, NothingLeft, or
    rims.TangledRim where the faces around the selection form no surface.
    """
    if closing not in (*ORDERS, "auto"):
        raise ValueError(f"unknown way to close {closing!r}")
    if not gone.any():
        raise NothingToRemove("no face is selected")
    if gone.all():
        raise NothingLeft("every face is selected")
    places, corners = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    rims = find_rims(places, corners, gone)
    kept = corners[~gone]
    joined = np.unique(half_edge_keys(kept, len(places))[0])
    closed = bridge_islands(places, rims.closed, joined)
    grown, added, owner, patches = [places], [], [], []
    total = len(places)
    for number, rim in enumerate(closed):
        tell(number / len(closed))
        inner, triangles, patch = _close(places, kept, joined, rim, closing, total)
        grown.append(inner)
        added.append(triangles)
        owner.append(np.full(len(triangles), number))
        patches.append(patch)
        total += len(inner)
    return _assemble(np.asarray(vertices), np.asarray(faces), gone, grown, added, owner, tuple(patches), rims.open)


def _assemble(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], gone: Bools, grown: list[Floats], added: list[Ints],
    owner: list[Ints], patches: tuple[Patch, ...], open_rims: int,
) -> Removal:
    count = len(vertices)
    before, after = np.zeros(count, bool), np.zeros(count, bool)
    before[faces.ravel()] = True
    after[faces[~gone].ravel()] = True
    stays = after | ~before
    number = np.full(count, -1)
    number[stays] = np.arange(int(stays.sum()))
    new = np.concatenate(grown[1:]) if len(grown) > 1 else np.zeros((0, 3))
    number = np.r_[number, int(stays.sum()) + np.arange(len(new))]
    triangles = np.concatenate(added) if added else np.zeros((0, 3), np.int64)
    whole = np.concatenate((faces[~gone].astype(np.int64), triangles))
    return Removal(
        np.concatenate((vertices[stays].astype(np.float32), new.astype(np.float32))),
        number[whole].astype(np.int32),
        np.r_[np.flatnonzero(stays), np.full(len(new), -1)].astype(np.int32),
        np.r_[np.flatnonzero(~gone), np.full(len(triangles), -1)].astype(np.int32),
        np.concatenate([np.full(int((~gone).sum()), -1), *owner]).astype(np.int32),
        patches,
        open_rims,
    )


def _close(
    vertices: Floats, kept: Ints, joined: Ints, rim: Rim, closing: str, first_new: int
) -> tuple[Floats, Ints, Patch]:
    """(new vertices, patch faces in the mesh's numbers, what was done) of one hole."""
    names, at = np.unique(rim.loop, return_inverse=True)
    points = vertices[rim.loop]
    flatness = plane_of(points)[1]
    if closing == "auto":
        closing = "flat" if not rim.joined and inwardness(points, rim.onward) < TUBE else "tangent"
    around = kept[np.isin(kept, names).any(1)]
    for _ in range(RINGS - 1):
        around = kept[np.isin(kept, np.unique(around)).any(1)]
    local, faces, ours = _disc(vertices, names, at, points, around)
    wanted = _wanted(vertices, names, around)
    wanted = np.r_[wanted, np.full(len(local) - len(names), float(wanted.mean()))]
    local, faces = refine(local, faces, len(names), wanted, ours, flatness < FLAT)
    local, closing, overshoot = _faired(local, faces, names, vertices, around, closing)
    numbers = np.r_[names, first_new + np.arange(len(local) - len(names))]
    patch = Patch(closing, rim.loop, len(faces), len(local) - len(names), overshoot)
    return local[len(names):], numbers[faces], patch


def _disc(vertices: Floats, names: Ints, at: Ints, points: Floats, around: Ints) -> tuple[Floats, Ints, Ints]:
    """(vertices: the rim's first, then new ones; faces (n, 3); keys `low * 2^32 + high` of edges between rim vertices
    that the mesh has) of a first patch that spoils no manifold."""
    count = len(vertices)
    try:
        local, faces = vertices[names], at[triangulate(points, at)]
    except ValueError:
        local, faces = _collared(vertices, names, at, points)
    # Which rim vertices does the mesh connect already? By rows of `names`.
    edges = np.unique(half_edge_keys(around, count)[0])
    low, high = edges // count, edges % count
    row = np.full(count, -1)
    row[names] = np.arange(len(names))
    both = (row[low] >= 0) & (row[high] >= 0)
    ours = (np.minimum(row[low], row[high]) << 32) + np.maximum(row[low], row[high])
    ours = np.sort(ours[both])
    wrong = _clashes(local, faces, names, ours)
    if len(wrong):
        local, faces, _ = split_edges(local, faces, wrong)
        if len(_clashes(local, faces, names, ours)):
            local, faces = _collared(vertices, names, at, points)
    # A triangle that the mesh has already, seen from its other side, becomes three.
    known = np.sort(row[around[(row[around] >= 0).all(1)]], axis=1)
    if len(known):
        twin = (np.sort(faces, axis=1)[:, None] == known).all(2).any(1)
        if twin.any():
            middle = len(local) + np.arange(int(twin.sum()))
            a, b, c = faces[twin].T
            local = np.concatenate((local, local[faces[twin]].mean(1)))
            parts = [np.stack(x, 1) for x in ((a, b, middle), (b, c, middle), (c, a, middle))]
            faces = np.concatenate([faces[~twin], *parts])
    return local, faces, ours


def _clashes(local: Floats, faces: Ints, names: Ints, ours: Ints) -> Ints:
    count = len(local)
    return clashes(faces, count, np.arange(count) < len(names), (ours >> 32) * count + (ours & 0xFFFFFFFF))


def _collared(vertices: Floats, names: Ints, at: Ints, points: Floats) -> tuple[Floats, Ints]:
    inner, faces = collared(points)
    return np.concatenate((vertices[names], inner)), np.r_[at, len(names) + np.arange(len(inner))][faces]


def _wanted(vertices: Floats, names: Ints, around: Ints) -> Floats:
    """(n,) mean length of the edges that end at each rim vertex."""
    count = len(vertices)
    edges = np.unique(half_edge_keys(around, count)[0])
    low, high = edges // count, edges % count
    length = np.linalg.norm(vertices[low] - vertices[high], axis=1)
    total = np.bincount(low, length, count) + np.bincount(high, length, count)
    number = np.bincount(low, minlength=count) + np.bincount(high, minlength=count)
    return total[names] / np.maximum(number[names], 1)


def _faired(
    local: Floats, faces: Ints, names: Ints, vertices: Floats, around: Ints, chosen: str
) -> tuple[Floats, str, float]:
    """(patch vertices, the closing that held, its area over the soap film's)."""
    others = np.setdiff1d(np.unique(around), names)
    row = np.full(len(vertices), -1)
    row[names] = np.arange(len(names))
    row[others] = len(local) + np.arange(len(others))
    everything = np.concatenate((local, vertices[others]))
    whole = np.concatenate((faces, row[around]))
    free = np.zeros(len(everything), bool)
    free[len(names) : len(local)] = True
    film = fair(everything, whole, free, 1)
    middle = everything[: len(names)].mean(0)
    reach = FAR * float(np.linalg.norm(everything[: len(names)] - middle, axis=1).max())

    def far(found: Floats) -> bool:
        return bool((np.linalg.norm(found[: len(local)] - middle, axis=1) > reach).any())

    if far(film):  # slivers around the rim: what was there before fairing is sound
        film = everything
    least = max(float(face_areas(film, faces).sum()), 1e-300)
    for order in range(ORDERS[chosen], 1, -1):
        result = fair(film, whole, free, order)
        share = float(face_areas(result, faces).sum()) / least
        if share < RUNAWAY and not far(result):
            return result[: len(local)], {2: "tangent", 3: "curved"}[order], share
    return film[: len(local)], "flat", 1.0
