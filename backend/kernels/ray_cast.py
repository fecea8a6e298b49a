# SPDX-License-Identifier: GPL-3.0-or-later
"""Casting rays against a triangle mesh through Warp's bounding-volume hierarchy.

For rays of any kind: visibility, baking from one mesh to another, picking. Camera images are cheaper by
`backend.kernels.rasterise`, which needs no hierarchy. No gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import warp as wp

from backend.kernels import runtime

wp.set_module_options({"enable_backward": False})


class RayHits(NamedTuple):
    """face (N,) int32, -1 on a miss; barycentric (N, 3) of the face's corners in order; distance (N,) along the ray,
    infinite on a miss."""

    face: torch.Tensor
    barycentric: torch.Tensor
    distance: torch.Tensor


@wp.kernel
def _cast(
    mesh: wp.uint64,
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    limit: float,
    face: wp.array(dtype=int),
    barycentric: wp.array(dtype=wp.vec3),
    distance: wp.array(dtype=float),
):
    i = wp.tid()
    hit = wp.mesh_query_ray(mesh, origins[i], directions[i], limit)
    if hit.result:
        face[i] = hit.face
        barycentric[i] = wp.vec3(hit.u, hit.v, 1.0 - hit.u - hit.v)
        distance[i] = hit.t


class RayCaster:
    """A mesh prepared for ray casting: vertices (V, 3) float32 and faces (F, 3) int32 of one device, copied."""

    def __init__(self, vertices: torch.Tensor, faces: torch.Tensor) -> None:
        if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
            shapes = f"{tuple(vertices.shape)}, {tuple(faces.shape)}"
            raise ValueError(f"ray caster: vertices (V, 3) and faces (F, 3) expected, not {shapes}")
        self._vertices = vertices.detach().float().clone().contiguous()
        self._faces = faces.detach().int().clone().contiguous()
        self._mesh: wp.Mesh | None = None
        if faces.shape[0]:
            points = wp.from_torch(self._vertices, dtype=wp.vec3)
            self._mesh = wp.Mesh(points=points, indices=wp.from_torch(self._faces.view(-1)))

    def cast(self, origins: torch.Tensor, directions: torch.Tensor, limit: float = 1e6) -> RayHits:
        """First hits of rays, origins (N, 3) and unit directions (N, 3), up to distance `limit`, on either side."""
        count, device = origins.shape[0], self._vertices.device
        face = torch.full((count,), -1, dtype=torch.int32, device=device)
        barycentric = torch.zeros((count, 3), device=device)
        distance = torch.full((count,), torch.inf, device=device)
        if self._mesh is not None and count:
            origins, directions = origins.detach().float().contiguous(), directions.detach().float().contiguous()
            inputs = [self._mesh.id, runtime.view(origins, wp.vec3), runtime.view(directions, wp.vec3), float(limit)]
            inputs += [runtime.view(face), runtime.view(barycentric, wp.vec3), runtime.view(distance)]
            runtime.launch(_cast, count, inputs, device)
        return RayHits(face, barycentric, distance)
