# SPDX-License-Identifier: GPL-3.0-or-later
"""Holes of any size for methods that are made for small pictures.

Each hole is cut out with what surrounds it. A cutting that is too large is filled at a fraction of its size; what the
fraction cannot show, the grain, is then copied from known places that look alike at that size, and the whole made of
known patches again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects, label

from backend.inpainting.base import Hole, Picture, composite
from backend.inpainting.biharmonic import enlarge
from backend.inpainting.exemplar import crisp

LARGEST = 160  # pixels along a side of what a method is given
CONTEXT = 0.75  # known margin around a hole, as a share of the hole's larger side
LEAST_CONTEXT = 48  # pixels
JOINED = 8  # pixels between two holes that are filled together
SOURCES = 4000  # known places that grain is copied from
FINE_ROUNDS = (1.0, 0.5)  # how the enlarged fill is made crisp, see `exemplar.crisp`
PATCH = 2  # cells around a cell that must look alike: 5 x 5

Fill = Callable[[Picture, Hole], Picture]


def by_pieces(fill: Fill, picture: Picture, hole: Hole, unknown: Hole) -> Picture:
    """The picture (H, W, C) with its hole (H, W) filled, one piece after another; unknown (H, W) holds the hole."""
    result = picture.copy()
    height, width = hole.shape
    pieces, count = label(binary_dilation(hole, iterations=JOINED // 2))
    for number, box in enumerate(find_objects(pieces, count), 1):
        own = hole & (pieces == number)
        if not own.any():
            continue
        margin = max(LEAST_CONTEXT, round(CONTEXT * max(edge.stop - edge.start for edge in box)))
        rows, columns = (slice(max(0, edge.start - margin), min(end, edge.stop + margin))
                         for edge, end in zip(box, (height, width), strict=True))
        # Other holes in the cutting are unknown here as well, and filled in their own turn.
        if unknown[rows, columns].all():
            rows, columns = slice(0, height), slice(0, width)
        cut, gap = picture[rows, columns], unknown[rows, columns]
        filled = scaled(fill, cut, gap)
        mine = own[rows, columns]
        result[rows, columns][mine] = filled[mine]
    return result


def scaled(fill: Fill, picture: Picture, hole: Hole) -> Picture:
    """Filled at a fraction of its size where it is too large, with grain copied."""
    times = -(-max(hole.shape) // LARGEST)
    if times == 1:
        return fill(picture, hole)
    height, width = hole.shape
    beyond = ((0, -height % times), (0, -width % times))
    even = np.pad(picture, (*beyond, (0, 0)), mode="edge")
    gap = np.pad(hole, beyond, mode="edge")
    rows, columns = gap.shape[0] // times, gap.shape[1] // times
    known = (~gap).reshape(rows, times, columns, times)
    weight = known.sum((1, 3))
    summed = (even * ~gap[..., None]).reshape(rows, times, columns, times, -1).sum((1, 3))
    small = (summed / np.maximum(weight, 1)[..., None]).astype(np.float32)
    empty = 2 * weight < times * times
    if empty.all():
        empty = weight == 0
    filled = fill(small, empty)
    smooth = enlarge(filled, times)
    grain = _grain(even - smooth, filled, weight == times * times, times)
    return crisp(composite(picture, hole, (smooth + grain)[:height, :width]), hole, hole, FINE_ROUNDS)


def _grain(
    rest: NDArray[np.float32], filled: Picture, known: NDArray[np.bool_], times: int
) -> NDArray[np.float32]:
    """What cells that are not known lack, (H, W, C): the `rest` of known cells whose surroundings look alike."""
    grain = np.zeros_like(rest)
    reach = np.pad(filled, ((PATCH, PATCH), (PATCH, PATCH), (0, 0)), mode="reflect")
    # Windows overlap by half a cell, so a source's neighbours must be known too.
    inner = ~binary_dilation(~known, np.ones((3, 3), bool), border_value=1)
    sources, targets = np.argwhere(inner), np.argwhere(~known)
    if not len(sources) or not len(targets):
        return grain
    sources = sources[:: -(-len(sources) // SOURCES)]

    def patches(cells: NDArray[np.int64]) -> NDArray[np.float32]:
        side = range(2 * PATCH + 1)
        return np.concatenate([reach[cells[:, 0] + i, cells[:, 1] + j] for i in side for j in side], 1)

    wanted, offered = patches(targets), patches(sources)
    square = (offered**2).sum(1)
    alike = np.concatenate([(square - 2 * part @ offered.T).argmin(1)
                            for part in np.array_split(wanted, -(-len(wanted) // 2048))])
    start = sources[alike] * times - times // 2
    place = targets * times - times // 2
    tent = 1 - np.abs((np.arange(2 * times) + 0.5) / times - 1)
    padded = np.pad(grain, ((times, times), (times, times), (0, 0)))
    for i in range(2 * times):
        for j in range(2 * times):
            # Within one (i, j) no two targets write to the same pixel.
            padded[place[:, 0] + i + times, place[:, 1] + j + times] += (
                tent[i] * tent[j] * rest[start[:, 0] + i, start[:, 1] + j])
    return padded[times:-times, times:-times]
