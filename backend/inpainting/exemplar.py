# SPDX-License-Identifier: GPL-3.0-or-later
"""A fill made crisp again: every patch of it becomes the known patch that is most like it.

A mean over all that could be is soft where several things could be. Replacing patches by what really stands in the
picture, and letting overlapping ones vote (Wexler, Shechtman and Irani 2007), decides for one of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.spatial import cKDTree

from backend.inpainting.base import Hole, Picture, composite

REACH = 3  # patches are 7 x 7
NUMBERS = 16  # of a patch's principal components that are compared
ROUNDS = (2.0, 2.0)  # how far from its middle a patch votes, in pixels, round after round
LEAST = 64  # known patches below which there is nothing to choose from
SOURCES = 12_000  # known patches that are compared with
ONE_OFF = 0.03  # mean difference of a component-wise value beyond which a patch hardly has a vote, at least


def crisp(filled: Picture, hole: Hole, unknown: Hole, rounds: tuple[float, ...] = ROUNDS) -> Picture:
    """The filled picture (H, W, C) with its hole made of known patches; `unknown` (H, W) is where none come from.
    rounds: as ROUNDS; a last one well below 1 keeps grain, which voting would level."""
    square = np.ones((2 * REACH + 1,) * 2, bool)
    inner = np.zeros_like(hole)
    inner[REACH:-REACH, REACH:-REACH] = True
    sources = np.argwhere(binary_erosion(~unknown, square) & inner)
    targets = np.argwhere(binary_dilation(hole, square) & inner & ~binary_erosion(unknown & ~hole, square))
    if len(sources) < LEAST or not len(targets):
        return filled
    sources = sources[:: -(-len(sources) // SOURCES)]
    known = _patches(filled, sources)
    mean = known.mean(0)
    _, axes = np.linalg.eigh(np.cov((known - mean).T))
    axes = axes[:, ::-1][:, :NUMBERS]
    tree = cKDTree((known - mean) @ axes)
    result = filled
    for spread in rounds:
        distance, match = tree.query((_patches(result, targets) - mean) @ axes)
        width = max(float(np.quantile(distance, 0.75)), ONE_OFF * np.sqrt(known.shape[1]))
        weight = np.exp(-0.5 * (distance / width) ** 2).astype(np.float32) + 1e-6
        result = composite(filled, hole, _voted(filled, targets, sources[match], weight, spread, result))
    return result


def _patches(picture: Picture, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, 49 C) the patches around these places (n, 2)."""
    side = range(-REACH, REACH + 1)
    return np.concatenate([picture[places[:, 0] + i, places[:, 1] + j] for i in side for j in side], 1)


def _voted(
    picture: Picture, targets: NDArray[np.int64], matches: NDArray[np.int64], weight: NDArray[np.float32],
    spread: float, before: Picture,
) -> Picture:
    """What the matched patches say of each pixel, weighted; `before` where none says anything."""
    total = np.zeros((*picture.shape[:2], picture.shape[2] + 1), np.float32)
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            share = weight * np.float32(np.exp(-(i * i + j * j) / (2 * spread * spread)))
            colour = picture[matches[:, 0] + i, matches[:, 1] + j]
            # Within one (i, j) no two targets speak of the same pixel.
            total[targets[:, 0] + i, targets[:, 1] + j] += np.concatenate([colour * share[:, None], share[:, None]], 1)
    said = total[..., -1:] > 0
    return np.where(said, total[..., :-1] / np.maximum(total[..., -1:], 1e-12), before)
