# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours for texels that no view saw, continued over the surface in space, never over the atlas.

Neighbours on the atlas may be far apart on the object, and neighbours across a seam are nowhere near each other there:
a fill of the picture shows every seam (measured 40 times the error). Here texels are neighbours when their points and
normals are, and what is unknown is the harmonic continuation of what is known.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

NEIGHBOURS = 8
SOLVED = 12_000  # unknown texels in the linear system; the others lie between these
TURN = 0.25  # a turn of the normal by one radian is as far as this share of the object's size
RIM = 3  # known neighbours that each unknown texel brings into the system


def fill(
    points: NDArray[np.float32], normals: NDArray[np.float32], values: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Values (N, C) with the unknown ones continued from the known; points and normals (N, 3), known (N,) bool.

    Raises ValueError when nothing is known.
    """
    unknown = np.flatnonzero(~known)
    if not len(unknown):
        return values
    if not known.any():
        raise ValueError("there is nothing to continue: no texel is known")
    size = float(np.linalg.norm(points.max(0) - points.min(0))) or 1.0
    places = np.concatenate([points / size, normals * TURN], 1).astype(np.float64)
    step = -(-len(unknown) // SOLVED)
    solved = unknown[::step]
    source = np.flatnonzero(known)
    _, rim = cKDTree(places[source]).query(places[solved], k=min(RIM, len(source)))
    rim = np.unique(source[rim.reshape(-1)])
    nodes = np.concatenate([solved, rim])
    result = values.copy()
    result[solved] = _harmonic(places[nodes], result[rim], len(solved))
    rest = np.setdiff1d(unknown, solved, assume_unique=True)
    if len(rest):
        count = min(4, len(nodes))
        distance, near = cKDTree(places[nodes]).query(places[rest], k=count)
        distance, near = distance.reshape(len(rest), count), near.reshape(len(rest), count)
        weight = 1.0 / (distance + 1e-6)
        weight /= weight.sum(1, keepdims=True)
        result[rest] = (result[nodes[near]] * weight[:, :, None]).sum(1)
    return result


def _harmonic(places: NDArray[np.float64], rim: NDArray[np.float32], unknown: int) -> NDArray[np.float64]:
    """Values of the first `unknown` places, each the weighted mean of its neighbours; the others have values `rim`."""
    count = min(NEIGHBOURS + 1, len(places))
    distance, near = cKDTree(places).query(places[:unknown], k=count)
    row = np.repeat(np.arange(unknown), count)
    near, weight = near.reshape(-1), 1.0 / (distance.reshape(-1) + 1e-4)
    other = near != row
    row, near, weight = row[other], near[other], weight[other]
    inner = near < unknown
    links = sparse.csr_matrix((weight[inner], (row[inner], near[inner])), shape=(unknown, unknown))
    # Both directions: a known texel that is nobody's nearest must not cut a part off.
    links = links + links.T
    outside = np.zeros((unknown, rim.shape[1]))
    np.add.at(outside, row[~inner], weight[~inner, None] * rim[near[~inner] - unknown])
    total = np.asarray(links.sum(1)).ravel() + np.bincount(row[~inner], weight[~inner], minlength=unknown)
    # A part without any known neighbour is drawn, ever so lightly, to the mean of what is known.
    pull = 1e-6 * max(float(total.max()), 1e-12)
    system = sparse.diags(total + pull) - links
    return splu(system.tocsc()).solve(outside + pull * rim.mean(0))
