# SPDX-License-Identifier: GPL-3.0-or-later
"""The texels of new faces changed so little that both sides of their rim show the same colours.

A renderer reads bilinearly on either side of a seam, from texels that lie anywhere to one another, so even the exact
colours differ there by what resampling costs. The texels that stay may not change; those of the patch are moved, by
least squares, to where reading them along the rim gives what the other side gives. The change fades over a few texels
(a screened Poisson equation; Perez et al. 2003 without the screen), so what does not fit is blended and not smeared.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse.linalg import cg

from backend.geometry.bake import sample, seam_samples
from backend.geometry.mesh import Mesh
from backend.texturing.patch import MARGIN, PatchTexels, laid

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

FADE = 3.0  # texels over which a change fades to a third
HELD = 8.0  # weight of one sample on the rim against one step between neighbouring texels
SAMPLES = 8  # along each edge of the rim
PRECISION = 1e-4


def meet_rim(
    mesh: Mesh, fresh: Bools, picture: NDArray[np.uint8], patch: PatchTexels, taken: Bools
) -> NDArray[np.uint8]:
    """The picture (H, W, C) with the texels of the faces `fresh` (F,) changed so that they meet the old ones beside
    them, and each other across seams of their own. Other texels that are `taken` (H, W) stay."""
    near = _beside(mesh, fresh)
    assert mesh.uvs is not None
    part = Mesh(mesh.vertices, mesh.faces[near], mesh.uvs.reshape(-1, 3, 2)[near].reshape(-1, 2))
    one, two, corners = seam_samples(part, SAMPLES)
    new = fresh[near][corners // 3]
    some = new.any(1)
    if not some.any():
        return picture
    one, two, new = one[some], two[some], new[some]
    number = _numbers(picture.shape[:2], patch, taken)
    count = len(patch.texels.points)
    gap = (sample(picture, one) - sample(picture, two)) / 255.0
    change = _reading(one, number, count, new[:, 0]) - _reading(two, number, count, new[:, 1])
    step = _steps(number, count)
    system = HELD * change.T @ change + step.T @ step + sparse.identity(count) / FADE**2
    colour = picture[patch.rows, patch.columns] / 255.0
    right = -HELD * (change.T @ gap)
    scale = sparse.diags(1.0 / system.diagonal())
    for channel in range(colour.shape[1]):
        if np.abs(gap[:, channel]).max() > 0:
            colour[:, channel] += cg(system, right[:, channel], rtol=PRECISION, atol=0.0, M=scale, maxiter=500)[0]
    return laid(picture, patch, np.clip(np.rint(colour * 255), 0, 255).astype(np.uint8), taken)


def _beside(mesh: Mesh, fresh: Bools) -> NDArray[np.int64]:
    """Faces that are fresh or share a vertex with one that is."""
    touched = np.zeros(len(mesh.vertices), bool)
    touched[mesh.faces[fresh]] = True
    return np.flatnonzero(touched[mesh.faces].any(1))


def _numbers(shape: tuple[int, ...], patch: PatchTexels, taken: Bools) -> NDArray[np.int64]:
    """(H, W) which texel of the patch each pixel shows: its own, or the nearest one in the margin; -1 for none."""
    number = np.full(shape, -1)
    number[patch.rows, patch.columns] = np.arange(len(patch.rows))
    low = np.maximum(np.array([patch.rows.min(), patch.columns.min()]) - MARGIN, 0)
    high = np.array([patch.rows.max(), patch.columns.max()]) + MARGIN + 1
    window = number[low[0] : high[0], low[1] : high[1]]
    away, nearest = distance_transform_edt(window < 0, return_indices=True)
    near = (away > 0) & (away <= MARGIN) & ~taken[low[0] : high[0], low[1] : high[1]]
    window[near] = window[nearest[0][near], nearest[1][near]]
    return number


def _reading(uv: Floats, number: NDArray[np.int64], count: int, own: Bools) -> sparse.csr_matrix:
    """(N, count) what each texel of the patch adds to a bilinear lookup at uv (N, 2), for the rows that are its own."""
    height, width = number.shape
    x, y = uv[:, 0] * width - 0.5, (1.0 - uv[:, 1]) * height - 0.5
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    rows, columns, weights = [], [], []
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - right - (x - x0)) * np.abs(1 - down - (y - y0))
            at = number[(y0 + down).clip(0, height - 1), (x0 + right).clip(0, width - 1)]
            use = np.flatnonzero(own & (at >= 0))
            rows.append(use)
            columns.append(at[use])
            weights.append(share[use])
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix(entries, shape=(len(uv), count))


def _steps(number: NDArray[np.int64], count: int) -> sparse.csr_matrix:
    """(M, count) differences between neighbouring texels of the patch."""
    pairs = []
    for one, two in ((number[:, :-1], number[:, 1:]), (number[:-1], number[1:])):
        use = (one >= 0) & (two >= 0) & (one != two)
        pairs.append(np.stack((one[use], two[use]), 1))
    ends = np.concatenate(pairs)
    row = np.repeat(np.arange(len(ends)), 2)
    sign = np.tile([1.0, -1.0], len(ends))
    return sparse.csr_matrix((sign, (row, ends.ravel())), shape=(len(ends), count))
