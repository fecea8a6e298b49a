# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the views stand: rings around the object, one from above, or chosen by what they newly see."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from backend.render.cameras import Cameras, orbit

RADIUS = 0.9
"""Bounding-sphere radius of an object in the frame that the default cameras, and our own priors, look at."""


def framed(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vertices (V, 3) moved and scaled into the default cameras' frame: the bounding box's centre at the origin, the
    farthest vertex at RADIUS. Raises ValueError when they are all in one place."""
    centre = (vertices.min(0) + vertices.max(0)) / 2.0
    moved = vertices.astype(np.float64) - centre
    farthest = float(np.linalg.norm(moved, axis=1).max())
    if farthest <= 0:
        raise ValueError("all vertices are in one place")
    return (moved * (RADIUS / farthest)).astype(np.float32)


def ring(count: int, elevations: tuple[float, ...] = (10.0, 35.0), above: float = 60.0, size: int = 128) -> Cameras:
    """`count` cameras around the object, the first in front, their elevations in degrees taken in turn, and one more
    at `above` degrees over the front (none where that is not above 0)."""
    azimuth = [2 * math.pi * i / count for i in range(count)]
    elevation = [math.radians(elevations[i % len(elevations)]) for i in range(count)]
    if above > 0:
        azimuth.append(0.0)
        elevation.append(math.radians(above))
    return orbit(torch.tensor(azimuth), torch.tensor(elevation), size=size)
