# SPDX-License-Identifier: GPL-3.0-or-later
"""The true surface of an object as a coloured mesh, for evaluation: F-scores, IoU and colour errors compare with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage.measure import marching_cubes

from .model import FloatArray, ProceduralObject
from .tracer import distances, evaluate

_SLAB = 1 << 21  # points evaluated at once, so that memory does not grow with the resolution


def mesh(obj: ProceduralObject, resolution: int = 128) -> tuple[FloatArray, npt.NDArray[np.int32], FloatArray]:
    """The zero level of the object's distance on a grid over [-1, 1]^3.

    resolution: grid points along a side, at least 8; a feature thinner than two cells (2 / resolution each) may break.
    Returns vertices (V, 3) float32, faces (F, 3) int32 counter-clockwise seen from outside, and sRGB colours (V, 3)
    float32 in 0..1 at the vertices. Raises ValueError when the resolution is too low to catch any surface.
    """
    if resolution < 8:
        raise ValueError(f"resolution must be at least 8, not {resolution}")
    axis = np.linspace(-1.0, 1.0, resolution, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    values = np.empty((resolution, resolution, resolution), np.float32)
    step = max(1, _SLAB // len(plane))
    for start in range(0, resolution, step):
        xs = axis[start : start + step]
        points = np.concatenate([np.repeat(xs, len(plane))[:, None], np.tile(plane, (len(xs), 1))], axis=1)
        values[start : start + step] = distances(obj.primitives, points).reshape(len(xs), resolution, resolution)
    if not (values.min() < 0 < values.max()):
        raise ValueError(f"no surface found at resolution {resolution}: use a higher one")
    spacing = 2.0 / (resolution - 1)
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(spacing,) * 3, gradient_direction="descent")
    vertices = (vertices - 1.0).astype(np.float32)
    return vertices, faces.astype(np.int32), evaluate(obj, vertices)[1]
