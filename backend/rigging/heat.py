# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights by heat in a voxel solid: each bone warms the voxels that are nearest to it inside the body.

For each bone (L + H) x = H [it is the nearest], with L the Laplacian of the solid and H falling with the square of the
distance to the bone, as Baran and Popovic 2007 do on surfaces, but in the volume, where every mesh can be solved:
H is above zero everywhere, so nothing is left without weights (reference avatars-and-motion, section 6.4).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import dijkstra

from backend.rigging.voxels import Solid, graph

SHARPNESS = 2.0  # lam of the reference: weight of the source against diffusion
TOLERANCE = 1e-3  # of the residual; 1e-4 changes no weight by more than 0.003
MOST_STEPS = 300

Floats = NDArray[np.float64]
Check = Callable[[], None]


def nearest_bone(solid: Solid, sources: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], Floats]:
    """(bone (N,), distance (N,) in the mesh's units along paths inside the solid), given each bone's own voxels.

    A bone without voxels owns nothing. Where bones share a voxel the later one has it: children come after parents.
    """
    owner = np.full(len(solid), -1)
    for bone, voxels in enumerate(sources):
        owner[voxels] = bone
    starts = np.flatnonzero(owner >= 0)
    distance, _, source = dijkstra(graph(solid), indices=starts, min_only=True, return_predecessors=True)
    return owner[source], np.asarray(distance)


def laplacian(solid: Solid) -> csr_matrix:
    """(N, N) graph Laplacian of the 6 neighbours, float32, with the bridges of loose parts."""
    links = graph(solid, 6)
    links.data[:] = 1.0
    return (diags(np.asarray(links.sum(1)).ravel()) - links).tocsr().astype(np.float32)


def heat(solid: Solid, sources: list[NDArray[np.int64]], check: Check = lambda: None,
         sharpness: float = SHARPNESS) -> NDArray[np.float32]:
    """(N, bones) float32 weights of the voxels; rows sum to 1 but for what the solver leaves.

    sources: numbers of each bone's voxels. check: called at every step; raises to stop.
    """
    owner, distance = nearest_bone(solid, sources)
    source = (sharpness * (solid.size / np.maximum(distance, 0.5 * solid.size)) ** 2).astype(np.float32)
    right = np.zeros((len(solid), len(sources)), np.float32)
    right[np.arange(len(solid)), owner] = source
    start = np.zeros_like(right)
    start[np.arange(len(solid)), owner] = 1.0
    matrix = (laplacian(solid) + diags(source)).tocsr()
    return conjugate_gradients(matrix, right, start, check)


def conjugate_gradients(matrix: csr_matrix, right: NDArray[np.float32], start: NDArray[np.float32],
                        check: Check) -> NDArray[np.float32]:
    """Solves for all columns at once, preconditioned by the diagonal; columns that are done are left alone."""
    scale = (1.0 / matrix.diagonal()).astype(np.float32)[:, None]
    solution = start
    goal = TOLERANCE**2 * np.maximum((right * right).sum(0), 1e-30)
    active = np.arange(right.shape[1])
    x, r = start, right - matrix @ start
    z = scale * r
    p, rho = z.copy(), (r * z).sum(0)
    for _ in range(MOST_STEPS):
        check()
        going = (r * r).sum(0) > goal[active]
        if not going.all():
            solution[:, active[~going]] = x[:, ~going]
            active, x, r, p, rho = active[going], x[:, going], r[:, going], p[:, going], rho[going]
            if not len(active):
                break
        q = matrix @ p
        step = rho / np.maximum((p * q).sum(0), 1e-30)
        x = x + step * p
        r = r - step * q
        z = scale * r
        fresh = (r * z).sum(0)
        p = z + (fresh / np.maximum(rho, 1e-30)) * p
        rho = fresh
    if len(active):
        solution[:, active] = x
    return np.maximum(solution, 0.0)
