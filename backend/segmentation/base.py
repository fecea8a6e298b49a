# SPDX-License-Identifier: GPL-3.0-or-later
"""What a segmenter is, what clicks are, and the door through which both are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion

from protocol.errors import BadRequest

Picture = NDArray[np.uint8]
"""(H, W, 3) sRGB, top row first."""
Mask = NDArray[np.bool_]
"""(H, W), True inside."""
DISC = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


@dataclass(frozen=True, eq=False)
class Clicks:
    """places (N, 2) float64, x and y in pixels from the top left corner; inside (N,) bool. At least one is inside."""

    places: NDArray[np.float64]
    inside: NDArray[np.bool_]

    def columns_and_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pixels that were clicked."""
        x, y = np.floor(self.places).astype(np.int64).T
        return x, y


class Segmenter(Protocol):
    """Tells what of a picture is meant by a few clicks."""

    @property
    def name(self) -> str:
        """For reports."""

    def segment(self, picture: Picture, clicks: Clicks) -> Mask:
        """What is meant, (H, W). The same for the same input."""


def read_clicks(rows: NDArray[np.floating], width: int, height: int) -> Clicks:
    """Clicks from rows (N, 3) of x, y and 1 (inside) or 0 in a picture of that size. Raises BadRequest."""
    places, labels = rows[:, :2].astype(np.float64), rows[:, 2]
    if not np.isfinite(rows).all():
        raise BadRequest("A click is not a finite number.", path="inputs.clicks")
    if not np.isin(labels, (0, 1)).all():
        raise BadRequest("The third number of a click is 1 for inside or 0 for outside.", path="inputs.clicks")
    outside = ((places < 0) | (places >= (width, height))).any(1)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        x, y = places[first]
        raise BadRequest(f"Click {first + 1} at ({x:g}, {y:g}) lies outside the picture of {width} x {height} pixels.",
                         path="inputs.clicks", hint="Click into the picture; (0, 0) is its top left corner.",
                         detail={"click": first})
    if not labels.any():
        raise BadRequest("All clicks say what is not meant; none says what is.", path="inputs.clicks",
                         hint="Click at least once into what you mean.")
    pixels = np.floor(places)
    for place in np.unique(pixels, axis=0):
        if len(np.unique(labels[(pixels == place).all(1)])) > 1:
            raise BadRequest(f"Clicks at ({place[0]:g}, {place[1]:g}) say both inside and outside.",
                             path="inputs.clicks")
    return Clicks(places, labels > 0.5)


def grown(mask: Mask, pixels: int) -> Mask:
    """The mask wider by so many pixels, narrower for less than 0."""
    if pixels > 0:
        return binary_dilation(mask, DISC, iterations=pixels)
    return binary_erosion(mask, DISC, iterations=-pixels) if pixels < 0 else mask
