# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inpainter is, and what it may be given."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Picture = NDArray[np.float32]
"""(H, W, C), sRGB in 0..1, top row first."""
Hole = NDArray[np.bool_]
"""(H, W), True where nothing is known."""


class Inpainter(Protocol):
    """Continues pictures into their holes."""

    @property
    def name(self) -> str:
        """For reports."""

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        """A copy of the picture (H, W, C) in 0..1 with the hole (H, W) filled; all other pixels keep their bits.

        beside: (H, W) pixels that are not known either but need no filling, such as what lies around an object. What
        the picture holds in the hole and beside it has no say. Raises ValueError for shapes that don't fit, or when
        nothing is known.
        """


def check(picture: Picture, hole: Hole, beside: Hole | None = None) -> Hole:
    """The door of every inpainter: (H, W) bool, all that is not known. Raises ValueError."""
    if picture.ndim != 3 or picture.dtype != np.float32:
        raise ValueError(f"a picture is (H, W, C) float32, not {picture.shape} {picture.dtype}")
    for one in (hole,) if beside is None else (hole, beside):
        if one.shape != picture.shape[:2] or one.dtype != bool:
            raise ValueError(f"a hole is {picture.shape[:2]} bool, not {one.shape} {one.dtype}")
    unknown = hole if beside is None else hole | beside
    if unknown.all():
        raise ValueError("nothing of the picture is known, so there is nothing to continue")
    return unknown


def nearest(picture: Picture, unknown: Hole) -> Picture:
    """The picture with the nearest known colour wherever nothing is known: for methods that know only one hole."""
    if not unknown.any():
        return picture
    row, column = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return picture[row, column]


def composite(picture: Picture, hole: Hole, filled: NDArray[np.floating]) -> Picture:
    """`filled` inside the hole, held in 0..1, and the picture as it is elsewhere."""
    result = picture.copy()
    result[hole] = np.clip(filled[hole], 0.0, 1.0)
    return result
