# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoothest continuations: the Laplacian of the colours, or the bi-Laplacian, is zero inside the hole.

The harmonic one never leaves the range of colours around the hole. The biharmonic one goes on with their slope, so
gradients and soft shading come back almost exactly. In both, patterns and sharp edges fade.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse.linalg import splu

from backend.inpainting.base import Hole, Picture, check, composite

RIM = 2  # known pixels around the hole that the bi-Laplacian reaches
SOLVED = 20_000  # unknown pixels in the linear system; larger holes are solved at half the size first


class Harmonic:
    """See `Inpainter`."""

    name = "harmonic"
    order = 1  # how often the Laplacian is taken

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        unknown = check(picture, hole, beside)
        if not hole.any():
            return picture.copy()
        if hole.sum() > SOLVED:
            return composite(picture, hole, _from_half(self, picture, unknown))
        filled = picture.astype(np.float64)
        filled[hole] = _solve(filled, hole, unknown & ~hole, self.order)
        return composite(picture, hole, filled)


class Biharmonic(Harmonic):
    """See `Inpainter`."""

    name = "biharmonic"
    order = 2


def _solve(picture: NDArray[np.float64], hole: Hole, beside: Hole, order: int) -> NDArray[np.float64]:
    """Colours (n, C) of the hole's pixels; those beside it are as if the picture ended there."""
    height, width = hole.shape
    near = distance_transform_edt(~hole, return_indices=False) <= RIM * np.sqrt(2) + 0.5
    near &= ~beside
    number = np.full(hole.shape, -1)
    number[near] = np.arange(near.sum())
    rows, columns = np.nonzero(near)
    count = len(rows)
    # The graph Laplacian of the pixels near the hole: at the picture's border, neighbours that do not exist don't pull.
    links = []
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        r, c = rows + down, columns + right
        there = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        to = np.where(there, number[r.clip(0, height - 1), c.clip(0, width - 1)], -1)
        use = to >= 0
        links.append(sparse.csr_matrix((np.ones(use.sum()), (np.flatnonzero(use), to[use])), shape=(count, count)))
    adjacency = sum(links[1:], links[0])
    laplacian = sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    bent = (laplacian @ laplacian if order == 2 else laplacian).tocsr()
    inside = hole[rows, columns]
    system = bent[inside][:, inside] + 1e-9 * sparse.identity(int(inside.sum()))
    known = picture[rows[~inside], columns[~inside]]
    return splu(system.tocsc()).solve(-(bent[inside][:, ~inside] @ known))


def _from_half(method: Harmonic, picture: Picture, hole: Hole) -> Picture:
    """The fill found at half the size, brought up smoothly."""
    height, width = hole.shape
    even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    known = np.pad(~hole, ((0, height % 2), (0, width % 2)), mode="edge")
    shape = (even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    weight = known.reshape(shape).sum((1, 3))
    summed = (even * known[..., None]).reshape(*shape, -1).sum((1, 3))
    small = (summed / np.maximum(weight, 1)[..., None]).astype(np.float32)
    if not (weight > 0).any():
        raise ValueError("nothing of the picture is known, so there is nothing to continue")
    return enlarge(method.fill(small, weight == 0), 2)[:height, :width]


def enlarge(picture: Picture, times: int) -> Picture:
    """(H times, W times, C), bilinearly between the middles of the pixels."""
    for axis in (0, 1):
        count = picture.shape[axis]
        place = (np.arange(count * times) + 0.5) / times - 0.5
        low = np.floor(place).astype(int)
        share = (place - low).astype(np.float32).reshape(-1, *([1] * (2 - axis)))
        one = picture.take(low.clip(0, count - 1), axis)
        two = picture.take((low + 1).clip(0, count - 1), axis)
        picture = one * (1 - share) + two * share
    return picture
