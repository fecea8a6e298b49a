# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry as our own control networks see it: what a camera sees of a shape, as one picture of 25 channels.

Beside normals and coverage the networks are shown where on the object each pixel lies, plainly and as sines and
cosines. A pattern that is a function of place (stripes, checks, spots) is then a few multiplications away, and the
same from every side, which no network learns from normals. The same function serves training and use.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

UNITS = 3.0 / 0.9
"""Pattern units to a metre of the default frame: the procedural objects' patterns count in these."""
CYCLES = (0.4, 0.62, 0.85)
"""Of the sines, per pattern unit: those of the procedural checks, of stripes and spots, and of bricks."""
CHANNELS = 7 + 6 * len(CYCLES)


def geometry_channels(normals: Tensor, coverage: Tensor, positions: Tensor) -> Tensor:
    """(B, 25, H, W): normals, coverage, positions, and the sines and cosines of positions.

    Args:
        normals: (B, 3, H, W) in the camera's frame (x right, y up, z towards the viewer), unit where the object is.
        coverage: (B, 1, H, W) 0..1, how much of a pixel the object fills.
        positions: (B, 3, H, W) in the default frame, where the object's box is centred and its farthest point at 0.9;
            the mean of what each pixel shows.

    All is 0 where there is nothing of the object.
    """
    there = (coverage > 0).to(positions)
    waves = [torch.sin if half == 0 else torch.cos for half in (0, 1)]
    turns = [wave(positions * (2 * math.pi * UNITS * cycles)) for cycles in CYCLES for wave in waves]
    return torch.cat([normals * there, coverage, *(part * there for part in (positions, *turns))], dim=1)
