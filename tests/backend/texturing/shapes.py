# SPDX-License-Identifier: GPL-3.0-or-later
"""Simple meshes for the tests of painting."""

import math

import numpy as np
import torch

from backend.geometry.mesh import Mesh
from backend.geometry.unwrap import unwrap


def sphere(radius: float, around: int, along: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(vertices (V, 3) float32, faces (F, 3) int32) of a closed sphere, facing outwards."""
    rows = [(math.pi * (i + 1) / along, 2 * math.pi * j / around) for i in range(along - 1) for j in range(around)]
    points = [(math.sin(p) * math.cos(a), math.sin(p) * math.sin(a), math.cos(p)) for p, a in rows]
    top, bottom = len(points), len(points) + 1
    vertices = torch.tensor([*points, (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)]) * radius
    faces = []
    for j in range(around):
        k = (j + 1) % around
        faces.append((top, j, k))
        for i in range(along - 2):
            one, two = i * around, (i + 1) * around
            faces += [(one + j, two + j, two + k), (one + j, two + k, one + k)]
        last = (along - 2) * around
        faces.append((bottom, last + k, last + j))
    return vertices, torch.tensor(faces, dtype=torch.int32)


def sphere_with_uvs(radius: float = 0.8, around: int = 32, along: int = 16) -> Mesh:
    """The sphere, unwrapped by our own charts."""
    vertices, faces = sphere(radius, around, along)
    return unwrap(Mesh(vertices.numpy(), faces.numpy()), texture_size=128)[0]


def wavy(points: np.ndarray) -> np.ndarray:
    """A smooth colour (N, 3) in 0..1 of the place (N, 3)."""
    return 0.5 + 0.4 * np.sin(4.0 * points + np.array([0.0, 1.0, 2.0]))
