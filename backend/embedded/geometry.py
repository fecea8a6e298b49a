# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry as our own control networks see it: what a camera sees of a shape, as one picture of 31 channels.

Beside normals and coverage the networks are shown where on the object each pixel lies: plainly, as sines and cosines,
and as products of these, which lie in the space like stacked boxes and packed balls. A pattern that is a function of
place (stripes, checks, spots) is then the same from every side, which no network learns from normals; which pattern it
is, and in what colours, the words decide. The same function serves training and use.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

UNITS = 3.0 / 0.9
"""Pattern units to a metre of the default frame: the procedural objects' patterns count in these."""
CYCLES = (0.4, 0.62, 0.85)
"""Of the sines, per pattern unit: those of the procedural checks, of stripes and spots, and of bricks."""
SHIFTS = (0.065, 0.065, 0.065), (0.21, 0.37, 0.11), (0.0, 0.0, 0.0)
"""Of the products, in cycles along X, Y and Z: where the procedural checks and spots lie."""
CHANNELS = 7 + 8 * len(CYCLES)


def geometry_channels(normals: Tensor, coverage: Tensor, positions: Tensor) -> Tensor:
    """(B, 31, H, W): normals, coverage, positions, their sines and cosines, and products of these.

    Args:
        normals: (B, 3, H, W) in the camera's frame (x right, y up, z towards the viewer), unit where the object is.
        coverage: (B, 1, H, W) 0..1, how much of a pixel the object fills.
        positions: (B, 3, H, W) in the default frame, where the object's box is centred and its farthest point at 0.9;
            the mean of what each pixel shows.

    All is 0 where there is nothing of the object.
    """
    there = (coverage > 0).to(positions)
    turns, products = [], []
    for cycles, shifts in zip(CYCLES, SHIFTS, strict=True):
        turn = positions * (2 * math.pi * UNITS * cycles)
        turns += [turn.sin(), turn.cos()]
        shifted = turn + 2 * math.pi * positions.new_tensor(shifts).view(1, 3, 1, 1)
        x, y, z = shifted.cos().unbind(1)
        products.append(torch.stack([shifted.sin().prod(1), (x * y + y * z + z * x) / 3], 1))
    return torch.cat([normals * there, coverage, *(part * there for part in (positions, *turns, *products))], dim=1)


def averaged(normals: Tensor, coverage: Tensor, positions: Tensor, factor: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same three in pictures `factor` times smaller: means over what is covered, normals of unit length again.

    Latent priors are shown geometry at their samples' cells; what lies inside a cell they read off the waves.
    """
    if factor == 1:
        return normals, coverage, positions
    share = functional.avg_pool2d(coverage, factor)
    normal = functional.normalize(functional.avg_pool2d(normals * coverage, factor), dim=1, eps=1e-6)
    return normal, share, functional.avg_pool2d(positions * coverage, factor) / share.clamp_min(1e-6)
