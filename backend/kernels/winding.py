# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances to a triangle mesh with a sign that needs no closed surface: the generalised winding number.

A point is inside where the mesh subtends more than half of the full sphere around it (Jacobson et al. 2013), summed
over a hierarchy (Barill et al. 2018), which Warp's bounding-volume hierarchy has built in. Holes and self-intersections
so change the answer little, where counting the crossings of a ray would fail. No gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import warp as wp

from backend.kernels import runtime

wp.set_module_options({"enable_backward": False})

ACCURACY = 2.0  # of the hierarchy: a node counts as one when it is farther than twice its size (Barill et al. 2018)


class Nearest(NamedTuple):
    """distance (N,) to the surface, never negative; inside (N,) bool; face (N,) int32 nearest; barycentric (N, 3) of
    the nearest point, for the face's corners in order."""

    distance: torch.Tensor
    inside: torch.Tensor
    face: torch.Tensor
    barycentric: torch.Tensor


@wp.kernel
def _nearest(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    first: int,
    limit: float,
    accuracy: float,
    distance: wp.array(dtype=float),
    inside: wp.array(dtype=int),
    face: wp.array(dtype=int),
    barycentric: wp.array(dtype=wp.vec3),
):
    i = first + wp.tid()
    hit = wp.mesh_query_point_sign_winding_number(mesh, points[i], limit, accuracy, 0.5)
    if hit.result:
        place = wp.mesh_eval_position(mesh, hit.face, hit.u, hit.v)
        distance[i] = wp.length(place - points[i])
        if hit.sign < 0.0:
            inside[i] = 1
        face[i] = hit.face
        barycentric[i] = wp.vec3(hit.u, hit.v, 1.0 - hit.u - hit.v)


class NearestSurface:
    """A mesh prepared for such questions: vertices (V, 3) float32 and faces (F, 3) int32 of one device, copied.

    Raises ValueError for other shapes or without faces.
    """

    def __init__(self, vertices: torch.Tensor, faces: torch.Tensor) -> None:
        if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
            shapes = f"{tuple(vertices.shape)}, {tuple(faces.shape)}"
            raise ValueError(f"nearest surface: vertices (V, 3) and some faces (F, 3) expected, not {shapes}")
        self._vertices = vertices.detach().float().clone().contiguous()
        self._faces = faces.detach().int().clone().contiguous()
        points = wp.from_torch(self._vertices, dtype=wp.vec3)
        self._mesh = wp.Mesh(points=points, indices=wp.from_torch(self._faces.view(-1)), support_winding_number=True)

    def ask(self, points: torch.Tensor, limit: float = 1e6) -> Nearest:
        """About points (N, 3) on the mesh's device. Farther than `limit` the distance is infinite, the face -1."""
        count, device = len(points), self._vertices.device
        points = points.detach().float().contiguous()
        distance = torch.full((count,), torch.inf, device=device)
        inside = torch.zeros(count, dtype=torch.int32, device=device)
        face = torch.full((count,), -1, dtype=torch.int32, device=device)
        barycentric = torch.zeros((count, 3), device=device)
        outputs = [runtime.view(distance), runtime.view(inside), runtime.view(face), runtime.view(barycentric, wp.vec3)]
        seen = runtime.view(points, wp.vec3)
        runtime.launch_all(_nearest, [
            (part.stop - part.start, [self._mesh.id, seen, part.start, float(limit), ACCURACY, *outputs])
            for part in runtime.parts(count, device, 4096)
        ], device)
        return Nearest(distance, inside.bool(), face, barycentric)
