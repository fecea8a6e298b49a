# SPDX-License-Identifier: GPL-3.0-or-later
"""How far are points from a closed mesh, on which side, and which place of it is nearest?

The sign comes from the angle-weighted normal of the nearest feature (Baerentzen and Aanaes 2005), which is exact on
closed meshes and, with a limit, an order of magnitude quicker than winding numbers (`backend.kernels.winding`), which
any mesh can be asked for. No gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import warp as wp

from backend.kernels import runtime

wp.set_module_options({"enable_backward": False})


class Signed(NamedTuple):
    """distance (N,) negative inside, +infinity beyond the limit; face (N,) int32, -1 there; barycentric (N, 3) of the
    nearest place."""

    distance: torch.Tensor
    face: torch.Tensor
    barycentric: torch.Tensor


@wp.kernel
def _ask(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    first: int,
    limit: float,
    distance: wp.array(dtype=float),
    face: wp.array(dtype=int),
    barycentric: wp.array(dtype=wp.vec3),
):
    i = first + wp.tid()
    p = points[i]
    found = wp.mesh_query_point_sign_normal(mesh, p, limit, 1.0e-3)
    if found.result:
        q = wp.mesh_eval_position(mesh, found.face, found.u, found.v)
        distance[i] = found.sign * wp.length(p - q)
        face[i] = found.face
        barycentric[i] = wp.vec3(found.u, found.v, 1.0 - found.u - found.v)


class ClosedSurface:
    """A closed, outward mesh prepared for such questions: vertices (V, 3) float32 and faces (F, 3) int32, copied."""

    def __init__(self, vertices: torch.Tensor, faces: torch.Tensor) -> None:
        if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
            shapes = f"{tuple(vertices.shape)}, {tuple(faces.shape)}"
            raise ValueError(f"closed surface: vertices (V, 3) and some faces (F, 3) expected, not {shapes}")
        self._vertices = vertices.detach().float().clone().contiguous()
        self._faces = faces.detach().int().clone().contiguous()
        self.low, self.high = self._vertices.min(0).values, self._vertices.max(0).values
        points = wp.from_torch(self._vertices, dtype=wp.vec3)
        self._mesh = wp.Mesh(points=points, indices=wp.from_torch(self._faces.view(-1)))

    def ask(self, points: torch.Tensor, limit: float = 1e6) -> Signed:
        """About points (N, 3) on the mesh's device."""
        count, device = len(points), self._vertices.device
        points = points.detach().float().contiguous()
        distance = torch.full((count,), torch.inf, device=device)
        face = torch.full((count,), -1, dtype=torch.int32, device=device)
        barycentric = torch.zeros((count, 3), device=device)
        seen = runtime.view(points, wp.vec3)
        outputs = [runtime.view(distance), runtime.view(face), runtime.view(barycentric, wp.vec3)]
        runtime.launch_all(_ask, [
            (part.stop - part.start, [self._mesh.id, seen, part.start, float(limit), *outputs])
            for part in runtime.parts(count, device, 4096)
        ], device)
        return Signed(distance, face, barycentric)
