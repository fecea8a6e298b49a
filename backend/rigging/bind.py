# SPDX-License-Identifier: GPL-3.0-or-later
"""Ties a mesh to a skeleton: heat weights read out at the vertices, smoothed, four a vertex, none left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from backend.geometry.clean import weld
from backend.rigging.heat import SHARPNESS, heat, nearest_bone
from backend.rigging.voxels import Solid, voxelise
from protocol.errors import BadRequest
from protocol.skeleton import INFLUENCES, Skeleton, Weights

WELD = 7e-4  # of the size; copies of a vertex that a soup has a hair apart. 2e-3 glued neighbouring fingers together
DENSE = 3000  # vertices from which smoothing helps; below, neighbours are too far apart (it hurt the fox)
SMOOTHINGS = 3
ROUGH = 40  # voxels along the longest side, to see how chunky a shape is
MOST_VOXELS = 130_000  # a figure has 50,000 to 100,000 at 160
POWER = 1.5
SMALL = 5.0  # voxels; limbs with bones shorter than this are looked at again with finer ones
FINER = 4.0  # times
FINE_SHARPNESS = 6.0  # in place of heat.SHARPNESS: fingers that touch must not warm each other
SMALLEST = 0.01  # a weight below is dropped

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """weights: of every vertex. facts: plain values for the report."""

    weights: Weights
    facts: dict[str, Any]


def bind(vertices: NDArray[np.floating], faces: NDArray[np.integer], skeleton: Skeleton, resolution: int = 0,
         check: Callable[[], None] = lambda: None, sharpness: float = SHARPNESS,
         deforming: NDArray[np.bool_] | None = None) -> Bound:
    """Weights of a mesh, vertices (V, 3) and faces (F, 3), in the skeleton's frame.

    resolution: voxels along the longest side, 0 for a choice by the mesh. check: called often; raises to stop.
    deforming (J,): which joints get weights, all but lengthless ones by default. Deterministic. Raises BadRequest
    where the skeleton lies elsewhere than the mesh.
    """
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    loose = np.ones(len(vertices), bool)
    loose[faces] = False
    if loose.any():  # they belong to no face, may lie anywhere, and follow the nearest vertex that does
        kept = np.flatnonzero(~loose)
        number = np.cumsum(~loose) - 1
        bound = bind(vertices[kept], number[faces], skeleton, resolution, check, sharpness, deforming)
        near = cKDTree(vertices[kept]).query(vertices)[1]
        weights = Weights(bound.weights.values[near], bound.weights.joints[near])
        return Bound(weights, {**bound.facts, "loose_vertices": int(loose.sum())})
    span = float((vertices.max(0) - vertices.min(0)).max())
    _together(vertices, skeleton, span)
    used = skeleton.lengths > 1e-4 * span if deforming is None else np.asarray(deforming, bool)
    if not used.any():
        used = np.ones(len(skeleton), bool)
    if used.sum() == 1:
        only = np.zeros((len(vertices), len(skeleton)))
        only[:, used] = 1.0
        return Bound(strongest(only), {"voxels": 0, "resolution": 0, "refined": [], "rigid_parts": 1})
    points, welded, group = _weld(vertices, faces, WELD * span)
    resolution = resolution or (160 if len(points) > DENSE else 128)
    solid, sources, warm = warmed(vertices, faces, skeleton, used, resolution, sharpness, check)
    values = read(solid, warm, points)
    fine = [one for one in small_limbs(skeleton, used, SMALL * solid.size) if refine(
        values, vertices, faces, group, points, skeleton, one, solid.size, check)]
    if len(points) > DENSE:
        values = smooth(values, welded, SMOOTHINGS) ** POWER
    props = _rigid_props(solid, sources, points, welded)
    for part, bone in props:
        values[part] = 0.0
        values[part, bone] = 1.0
    check()
    facts = {
        "voxels": len(solid), "resolution": round(float(np.ptp(vertices, axis=0).max()) / solid.size),
        "refined": [skeleton.names[one[0]] for one in fine], "rigid_parts": len(props),
    }
    return Bound(strongest(values[group]), facts)


def warmed(vertices: Floats, faces: NDArray[np.integer], skeleton: Skeleton, used: NDArray[np.bool_], resolution: int,
           sharpness: float, check: Callable[[], None]) -> tuple[Solid, list[NDArray[np.int64]], NDArray[np.float32]]:
    """(solid, voxels of each bone, heat (N, J)) of a mesh and the bones that are `used` (J,). Chunky shapes, which fill
    their box, get larger voxels: they have no fine limbs."""
    rough = len(voxelise(vertices, faces, ROUGH))
    resolution = max(min(resolution, int(ROUGH * (MOST_VOXELS / rough) ** (1 / 3))), ROUGH // 2)
    check()
    step = 0.4 * float((vertices.max(0) - vertices.min(0)).max()) / resolution
    bones = zip(skeleton.heads.astype(np.float64), skeleton.tails.astype(np.float64), used, strict=True)
    seeds = [_along(head, tail, step) if use else np.zeros((0, 3)) for head, tail, use in bones]
    solid = voxelise(vertices, faces, resolution, np.concatenate(seeds))
    check()
    sources = [np.unique(solid.at(points)) if len(points) else np.zeros(0, np.int64) for points in seeds]
    return solid, sources, heat(solid, sources, check, sharpness)


def small_limbs(skeleton: Skeleton, used: NDArray[np.bool_], length: float) -> list[list[int]]:
    """Groups of bones that are too short for the voxels, such as a hand's fingers: each is [the longer bone that they
    hang on, then they]; those with at least three short ones."""
    small = used & (skeleton.lengths < length)
    anchor = np.full(len(skeleton), -1)
    for joint, parent in enumerate(skeleton.parents):
        if small[joint] and parent >= 0:
            anchor[joint] = anchor[parent] if small[parent] and anchor[parent] >= 0 else parent
    groups = [[int(top), *np.flatnonzero(anchor == top).tolist()] for top in np.unique(anchor[anchor >= 0])]
    return [one for one in groups if len(one) >= 4 and used[one[0]]]


def refine(values: Floats, vertices: Floats, faces: NDArray[np.integer], group: NDArray[np.int64], points: Floats,
           skeleton: Skeleton, limb: list[int], coarse: float, check: Callable[[], None]) -> bool:
    """Shares out among a limb's bones again what they have together, in voxels small enough for them; in place.

    values (P, J) of the welded points. False where the limb has no faces of its own.
    """
    share = values[:, limb].sum(1)
    inside = share > 0.5
    own = faces[inside[group[faces]].all(1)]
    if len(own) < 12:
        return False
    corner, part = np.unique(own, return_inverse=True)
    extent = float(np.ptp(vertices[corner], axis=0).max())
    used = np.zeros(len(skeleton), bool)
    used[limb] = True
    resolution = int(np.clip(extent / coarse * FINER, 32, 96))
    solid, _, warm = warmed(vertices[corner], part.reshape(-1, 3), skeleton, used, resolution, FINE_SHARPNESS, check)
    fresh = read(solid, warm[:, limb], points[inside])
    values[np.ix_(inside, limb)] = fresh * share[inside, None]
    return True


def strongest(values: NDArray[np.floating]) -> Weights:
    """The four greatest of (V, J) values, those under `SMALLEST` of the sum dropped, rows summing to 1.

    Raises ValueError when a row has none: nothing may stay unweighted.
    """
    count = values.shape[1]
    keep = min(INFLUENCES, count)
    order = np.argsort(-values, axis=1, kind="stable")[:, :keep]
    top = np.take_along_axis(values, order, 1).astype(np.float64)
    top[top < SMALLEST * top.sum(1, keepdims=True)] = 0.0
    total = top.sum(1, keepdims=True)
    if (total <= 0).any():
        raise ValueError("a vertex has no weights")
    top /= total
    order = np.where(top > 0, order, 0)
    pad = ((0, 0), (0, INFLUENCES - keep))
    return Weights(np.pad(top, pad).astype(np.float32), np.pad(order, pad).astype(np.uint16))


def read(solid: Solid, values: NDArray[np.float32], points: Floats) -> Floats:
    """(P, bones) values at points: of the eight voxels around, those of the solid, by distance; rows sum to 1."""
    result = np.zeros((len(points), values.shape[1]))
    total = np.zeros(len(points))
    place = (points - solid.corner) / solid.size - 0.5
    base = np.floor(place).astype(np.int64)
    part = place - base
    limit = np.array(solid.mask.shape) - 1
    for corner in np.ndindex(2, 2, 2):
        number = solid.number[tuple(np.clip(base + corner, 0, limit).T)]
        share = np.prod(np.where(corner, part, 1 - part), axis=1) * (number >= 0)
        result += share[:, None] * values[np.maximum(number, 0)]
        total += share
    own = solid.at(points)
    thin = total < 0.05
    result[thin] = values[own[thin]]
    amount = result.sum(1, keepdims=True)
    return np.asarray(result / amount)


def smooth(values: Floats, faces: NDArray[np.integer], times: int) -> Floats:
    """Half its own, half its neighbours' mean, so many times; vertices without neighbours stay."""
    neighbours = adjacency(faces, len(values))
    degree = np.asarray(neighbours.sum(1)).ravel()
    mean = diags(1.0 / np.maximum(degree, 1.0)) @ neighbours + diags((degree == 0).astype(float))
    for _ in range(times):
        values = 0.5 * values + 0.5 * (mean @ values)
    return values


def adjacency(faces: NDArray[np.integer], count: int) -> csr_matrix:
    """(count, count) of zeros and ones: which vertices share an edge."""
    a = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    b = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    loop = a != b
    a, b = a[loop], b[loop]
    links = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count)).tocsr()
    links.data[:] = 1.0
    return links


def _weld(vertices: Floats, faces: NDArray[np.integer], distance: float
          ) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """(points, faces, group (V,)) with what lies nearer than `distance` in one."""
    points, group = weld(vertices, np.arange(len(vertices))[:, None], distance)
    owner = group[:, 0]
    return points, owner[faces], owner


def _rigid_props(solid: Solid, sources: list[NDArray[np.int64]], points: Floats, faces: NDArray[np.int64]
                 ) -> list[tuple[NDArray[np.int64], int]]:
    """Parts of the mesh that lie wholly in one bone's region, and are not the largest: (vertices, bone) of each."""
    number, part = connected_components(adjacency(faces, len(points)), directed=False)
    if number == 1:
        return []
    owner, _ = nearest_bone(solid, sources)
    of_point = owner[solid.at(points)]
    low, high = np.full(number, len(sources)), np.full(number, -1)
    np.minimum.at(low, part, of_point)
    np.maximum.at(high, part, of_point)
    size = np.bincount(part, minlength=number)
    extent = np.zeros(number)
    for axis in range(3):
        one, two = np.full(number, np.inf), np.full(number, -np.inf)
        np.minimum.at(one, part, points[:, axis])
        np.maximum.at(two, part, points[:, axis])
        extent = np.maximum(extent, two - one)
    # Loose triangles of a soup are no props: a prop has a dozen vertices and some size.
    props = np.flatnonzero((low == high) & (size >= 12) & (extent > 0.01 * np.ptp(points, axis=0).max())
                           & (size < size.max()))
    return [(np.flatnonzero(part == label), int(low[label])) for label in props]


def _along(head: Floats, tail: Floats, step: float) -> Floats:
    count = max(int(np.ceil(np.linalg.norm(tail - head) / step)), 1)
    return np.asarray(head + np.linspace(0, 1, count + 1)[:, None] * (tail - head))


def _together(vertices: Floats, skeleton: Skeleton, span: float) -> None:
    low, high = vertices.min(0), vertices.max(0)
    middles = 0.5 * (skeleton.heads + skeleton.tails)
    away = np.linalg.norm(np.maximum(np.maximum(low - middles, middles - high), 0), axis=1)
    reach = np.linalg.norm(np.maximum(np.maximum(low - skeleton.tails, skeleton.tails - high), 0), axis=1)
    if np.median(away) > 0.05 * span or away.max() > 0.5 * span or reach.max() > span:
        raise BadRequest("The skeleton does not stand where the mesh is.", path="inputs.joint_heads",
                         hint="Move or scale the armature until it lies inside the mesh.")
