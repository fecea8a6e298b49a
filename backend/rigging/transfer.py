# SPDX-License-Identifier: GPL-3.0-or-later
"""A skin for what grew around the parametric body: its weights, looked up where the surface faces the same way.

Whether a sleeve's inside touches the hip or not, its normal tells which it belongs to (reference avatars-and-motion,
section 6.6: re-posing errs by 13 mm instead of 127 mm at p99). What lies too far from the body to be sure, such as
hair and skirts, takes its weights partly over the mesh from what is sure. A mesh made around a posed body goes back to
rest by the inverse of its own skinning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from backend.avatar.body import CAVITY, EYE, TONGUE, Body
from backend.geometry.mesh import Mesh, vertex_normals
from backend.rigging.bind import adjacency, smooth, strongest
from backend.rigging.bones import frame
from protocol.errors import BadRequest
from protocol.skeleton import Skeleton, Weights

CANDIDATES = 24  # nearest vertices of the body that are asked
FACING = 0.3  # least cosine of the angle between the normals
SURE = 0.025  # metres of a body 1.7 m tall; beyond, fingers have grown together
HELD = 0.6  # of a vertex that is not sure: weight of what was looked up against its neighbours
BLENDED = 4  # of the candidates that face the same way
SMOOTHINGS, LOOSE_SMOOTHINGS = 2, 12  # passes where it is sure, and where not
LEAST_STRETCH = 0.5  # smallest singular value with which a transform is undone

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Looked:
    """weights (N, J), rows sum to 1; sure (N,): near the body and facing the same way; distance (N,) metres."""

    weights: Floats
    sure: NDArray[np.bool_]
    distance: Floats


def skeleton_of(body: Body) -> Skeleton:
    """The body's joints at rest, all with y along the bone: the root gets a frame that points along it, as artists
    expect; the asset's own is the identity."""
    asset = body.asset
    turns = np.array(body.rest[:, :3, :3])
    turns[0] = frame(np.asarray(body.tails[0] - body.heads[0], np.float64))
    return Skeleton(np.asarray(body.heads, np.float32), np.asarray(body.tails, np.float32),
                    turns.astype(np.float32), asset.parents.astype(np.int16), asset.names)


def bind(body: Body, mesh: Mesh, transforms: NDArray[np.floating] | None = None,
         check: Callable[[], None] = lambda: None) -> tuple[Skeleton, Weights]:
    """(skeleton at rest, weights) of a mesh that grew around the body, which stands at rest or, with `transforms`
    (J, 4, 4) rest to posed, in a pose; then `unpose` brings the mesh to rest. Raises BadRequest where mesh and body
    stand in different places."""
    vertices = np.asarray(mesh.vertices, np.float64)
    normals = vertex_normals(mesh.vertices, mesh.faces).astype(np.float64)
    looked = look_up(body, vertices, normals, transforms)
    check()
    weights = looked.weights
    if not looked.sure.any():
        raise BadRequest("The mesh does not lie around the body.", path="inputs.vertices",
                         hint="Bring both to the same place and size.")
    weights = fill(weights, looked.sure, mesh.faces, SURE * body.height / 1.7 / np.maximum(looked.distance, 1e-6))
    check()
    loose = smooth(weights, mesh.faces, LOOSE_SMOOTHINGS)  # where limbs part, a skirt's hem shall not tear
    weights = np.where(looked.sure[:, None], smooth(weights, mesh.faces, SMOOTHINGS), loose)
    return skeleton_of(body), strongest(weights)


def look_up(body: Body, points: Floats, normals: Floats, transforms: NDArray[np.floating] | None = None) -> Looked:
    """Weights at points (N, 3) with unit normals (N, 3), from the body's vertices that are near and face the same way;
    from the nearest alone where none does."""
    asset = body.asset
    skin = body.vertices if transforms is None else body.skin(np.asarray(transforms, np.float64))
    outside = ~np.isin(asset.face_parts, (EYE, CAVITY, TONGUE))
    known = np.unique(asset.faces[outside])
    facing = vertex_normals(skin, asset.triangles)[known].astype(np.float64)
    tree = cKDTree(skin[known].astype(np.float64))
    distance, near = tree.query(points, CANDIDATES)
    agree = np.einsum("nki,ni->nk", facing[near], normals)
    # Far away both faces of a cloth belong to the same limb, whichever way they look.
    limit = SURE * body.height / 1.7
    fits = np.where(distance[:, :1] > 2 * limit, np.abs(agree), agree) > FACING
    rank = np.cumsum(fits, axis=1)
    used = fits & (rank <= BLENDED)
    none = ~fits.any(1)
    used[none, 0] = True
    closest = np.where(used, distance, np.inf).min(1)
    # Inverse squares, softened by the nearest distance: on the body itself the nearest vertex alone decides.
    share = np.where(used, 1.0 / (distance**2 - closest[:, None] ** 2 + 1e-2 * closest[:, None] ** 2 + 1e-9), 0.0)
    share /= share.sum(1, keepdims=True)
    dense = np.zeros((len(skin), len(asset.names)))
    np.add.at(dense, (np.arange(len(skin))[:, None], asset.weight_joints), asset.weights)
    dense = dense[known]
    weights = np.zeros((len(points), dense.shape[1]))
    for k in range(CANDIDATES):
        rows = np.flatnonzero(used[:, k])
        weights[rows] += share[rows, k, None] * dense[near[rows, k]]
    return Looked(weights / weights.sum(1, keepdims=True), (closest < limit) & ~none, closest)


def fill(weights: Floats, sure: NDArray[np.bool_], faces: NDArray[np.integer], trust: Floats) -> Floats:
    """The rows that are not sure anew: spread over the mesh from those that are (as weights are painted in by
    Abdrashitov et al. 2023), held by what was looked up with the square of `trust` (V,), so that a skirt follows the
    legs in it and not only the waist that it hangs on."""
    unknown = np.flatnonzero(~sure)
    if not len(unknown):
        return weights
    links = adjacency(faces, len(weights))
    degree = np.asarray(links.sum(1)).ravel()
    matrix = (diags(degree) - links).tocsr()[unknown]
    hold = HELD * np.minimum(trust[unknown], 1.0) ** 2
    inner = (matrix[:, unknown] + diags(hold)).tocsc()
    known = np.flatnonzero(sure)
    right = hold[:, None] * weights[unknown] - matrix[:, known] @ weights[known]
    result = weights.copy()
    solved = np.maximum(splu(inner).solve(np.asarray(right)), 0.0)
    result[unknown] = solved / np.maximum(solved.sum(1, keepdims=True), 1e-12)
    return result


def unpose(vertices: NDArray[np.floating], weights: Weights, transforms: NDArray[np.floating]) -> Floats:
    """(V, 3) vertices at rest, of vertices posed with transforms (J, 4, 4): the inverse of linear blend skinning, with
    singular values below `LEAST_STRETCH` raised to it, so that nothing is blown up where a blend collapses."""
    blended = np.einsum("vk,vkij->vij", weights.values.astype(np.float64),
                        np.asarray(transforms, np.float64)[weights.joints, :3])
    left, stretch, right = np.linalg.svd(blended[:, :, :3])
    inverse = np.swapaxes(right, 1, 2) / np.maximum(stretch, LEAST_STRETCH)[:, None, :] @ np.swapaxes(left, 1, 2)
    return np.asarray(np.einsum("vij,vj->vi", inverse, np.asarray(vertices, np.float64) - blended[:, :, 3]))
