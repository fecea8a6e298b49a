# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the views stand: rings around the object, one from above, or chosen by what they newly see."""

from __future__ import annotations

import math

import torch

from backend.render.cameras import Cameras, orbit


def ring(count: int, elevations: tuple[float, ...] = (10.0, 35.0), above: float = 75.0, size: int = 128) -> Cameras:
    """`count` cameras around the object, the first in front, their elevations in degrees taken in turn, and one more
    at `above` degrees over the front (none where that is not above 0)."""
    azimuth = [2 * math.pi * i / count for i in range(count)]
    elevation = [math.radians(elevations[i % len(elevations)]) for i in range(count)]
    if above > 0:
        azimuth.append(0.0)
        elevation.append(math.radians(above))
    return orbit(torch.tensor(azimuth), torch.tensor(elevation), size=size)
