# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inpainter is, and what it may be given."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""(H, W, C), sRGB in 0..1, top row first."""
Hole = NDArray[np.bool_]
"""(H, W), True where nothing is known."""


class Inpainter(Protocol):
    """Continues pictures into their holes."""

    @property
    def name(self) -> str:
        """For reports."""

    def fill(self, picture: Picture, hole: Hole) -> Picture:
        """A copy of the picture (H, W, C) in 0..1 with the hole (H, W) filled; known pixels keep their bits and
        whatever the picture holds inside the hole has no say. Raises ValueError for shapes that don't fit, or when
        nothing is known."""


def check(picture: Picture, hole: Hole) -> None:
    """The door of every inpainter. Raises ValueError."""
    if picture.ndim != 3 or picture.dtype != np.float32:
        raise ValueError(f"a picture is (H, W, C) float32, not {picture.shape} {picture.dtype}")
    if hole.shape != picture.shape[:2] or hole.dtype != bool:
        raise ValueError(f"a hole is {picture.shape[:2]} bool, not {hole.shape} {hole.dtype}")
    if hole.all():
        raise ValueError("nothing of the picture is known, so there is nothing to continue")


def composite(picture: Picture, hole: Hole, filled: NDArray[np.floating]) -> Picture:
    """`filled` inside the hole, held in 0..1, and the picture as it is elsewhere."""
    result = picture.copy()
    result[hole] = np.clip(filled[hole], 0.0, 1.0)
    return result
