# SPDX-License-Identifier: GPL-3.0-or-later
"""Areas of even colours continued with sharp borders: stripes, checks and spots that are larger than the hole.

Where the surroundings hold a few colours only, what is to be continued are the borders between them. The distance to
an area's border, positive inside, is a smooth function across the border, so its smoothest continuation into the hole
goes on with the border's direction and bend, and makes corners where they are due; every pixel then takes the colour
of the area that it lies deepest in. Where the surroundings are no such areas, nothing is gained, and the harmonic fill
is given.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse.linalg import splu

from backend.inpainting.base import Hole, Picture, check, composite
from backend.inpainting.biharmonic import Harmonic

MOST = 5  # colours
ALIKE = 0.08  # largest distance of a component-wise mean between a colour and its area's, sRGB 0..1
EVENNESS = 0.35  # of that distance: the largest mean one, or it is a slope cut into steps
LEAST = 0.02  # of the pixels around the hole, of an area of its own
MEMBERS = 0.8  # of the pixels that must be of some area; edges between two are of none
BAND = 8  # known pixels around the hole that the plate passes near
FAITH = 0.5  # of a known distance, against bending, which takes the jags out of it
EVEN = 1e-5
ROUNDS = 4  # of looking for borders and measuring distances from them
REACH = 2.0  # radii of the hole beyond which nobody asks how far a border is
NEAR = 12  # pixels around the hole, at least, and as many as its radius, that decide on the colours


class Areas:
    """See `Inpainter`."""

    name = "areas"

    def __init__(self, rounds: int = ROUNDS):
        self.rounds = rounds

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        unknown = check(picture, hole, beside)
        if not hole.any():
            return picture.copy()
        depth = float(distance_transform_edt(np.pad(hole, 1)).max())
        near = (distance_transform_edt(~hole) <= max(NEAR, 2 * depth)) & ~unknown
        colours = _colours(picture[near])
        if len(colours) < 2:
            return Harmonic().fill(picture, hole, beside)
        gap = np.abs(picture[:, :, None] - colours).mean(-1)
        # The distances end at a few radii: what is farther off has no say.
        reach = max(NEAR, REACH * depth)
        share = np.stack([_share(gap, area) for area in range(len(colours))], -1)
        known = ~unknown
        for _ in range(self.rounds):
            layers = np.stack([_depth_in(share[..., area], known, reach) for area in range(len(colours))], -1)
            depths = _bent(layers, hole, ~unknown)
            first = np.sort(depths, -1)
            lead = depths - np.where(depths == first[:, -1:], first[:, -2:-1], first[:, -1:])
            # Half the lead is how far the border is; a pixel that it cuts is shared. Borders that the hole hid are
            # known from now on, and how far known pixels are from them.
            share[hole] = np.clip(0.5 + 0.5 * lead, 0, 1)
            known = known | hole
        weight = share / np.maximum(share.sum(-1, keepdims=True), 1e-6)
        return composite(picture, hole, (weight @ colours).astype(np.float32))


def _bent(layers: NDArray[np.float64], hole: Hole, known: Hole) -> NDArray[np.float64]:
    """(n, K) the values in the hole's pixels of the plate that bends least and passes near the known values around it:
    a spline rather than the biharmonic fill, because distances are known to a part of a pixel only."""
    height, width = hole.shape
    near = hole | (known & (distance_transform_edt(~hole) <= BAND))
    number = np.full((height + 2, width + 2), -1)
    number[1:-1, 1:-1][near] = np.arange(near.sum())
    rows, columns = np.nonzero(near)
    count = len(rows)
    around = np.stack([number[rows + 1 + i, columns + 1 + j] for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))], 1)
    whole = np.flatnonzero((around >= 0).all(1))
    bend = sparse.csr_matrix(
        (np.tile([-4.0, 1, 1, 1, 1], len(whole)),
         (np.repeat(np.arange(len(whole)), 5), np.concatenate([whole[:, None], around[whole]], 1).ravel())),
        shape=(len(whole), count))
    # At the picture's border, where bending says nothing, values hardly differ.
    pairs = np.argwhere(around >= 0)
    one, two = pairs[:, 0], around[pairs[:, 0], pairs[:, 1]]
    step = sparse.csr_matrix((np.tile([1.0, -1.0], len(one)),
                              (np.repeat(np.arange(len(one)), 2), np.stack([one, two], 1).ravel())),
                             shape=(len(one), count))
    given = np.where(known[rows, columns] & ~hole[rows, columns], FAITH, 0.0)
    system = bend.T @ bend + EVEN * (step.T @ step) + sparse.diags(given + 1e-9)
    solved = splu(system.tocsc()).solve(given[:, None] * layers[rows, columns])
    return np.asarray(solved[hole[rows, columns]])


def _share(gap: NDArray[np.float32], area: int) -> NDArray[np.float32]:
    """(H, W) how much of each pixel is of the area: at edges between its colour and another, in between."""
    others = np.delete(gap, area, axis=-1).min(-1)
    return np.asarray(others / np.maximum(others + gap[..., area], 1e-6), np.float32)


def _depth_in(share: NDArray[np.float32], known: Hole, reach: float) -> NDArray[np.float64]:
    """(H, W) how deep each known pixel lies in the area, negative outside, in pixels and parts of one."""
    inside = share > 0.5
    border = np.zeros_like(inside)
    for one, two in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        cut = (inside[one] != inside[two]) & known[one] & known[two]
        border[one] |= cut
        border[two] |= cut
    if not border.any():
        return np.where(inside, reach, -reach)
    away, at = distance_transform_edt(~border, return_indices=True)
    # From the middle of a pixel at the border to the border itself it is as far as the area has more of it than half.
    beyond = share[at[0], at[1]] - 0.5
    return np.clip(np.where(inside, away + beyond, beyond - away), -reach, reach)


def _colours(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, C) the few colours that nearly all pixels (n, C) have; none where they are not few."""
    found: list[NDArray[np.float32]] = []
    rest = pixels[:: -(-len(pixels) // 4000)] if len(pixels) else pixels
    total = len(rest)
    while len(rest) > max(LEAST * total, 1) and len(found) < MOST:
        # The densest colour of what is left, then the mean around it.
        cells, number, count = np.unique(np.round(rest / ALIKE).astype(int), axis=0, return_inverse=True,
                                         return_counts=True)
        middle = np.median(rest[number.reshape(-1) == count.argmax()], axis=0)
        own = np.abs(rest - middle).mean(1) < ALIKE
        if own.sum() < LEAST * total:
            break
        colour = rest[own].mean(0)
        if np.abs(rest[own] - colour).mean() > EVENNESS * ALIKE:
            return np.zeros((0, pixels.shape[-1]), np.float32)
        found.append(colour)
        rest = rest[~own]
    if len(rest) > (1 - MEMBERS) * total:
        return np.zeros((0, pixels.shape[-1]), np.float32)
    return np.stack(found).astype(np.float32)
