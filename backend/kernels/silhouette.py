# SPDX-License-Identifier: GPL-3.0-or-later
"""The pixel pairs that a visible silhouette edge separates, which `backend.render.antialias` blends.

An edge is a silhouette where it has one face only, or where one of its two faces looks at the eye and the other away.
One thread follows one edge of one view over the lines of pixels that it crosses; of several edges between two pixels
the nearest one wins, by the same atomic minimum as in `rasterise`. No gradients.
"""

from __future__ import annotations

import torch
import warp as wp

from backend.kernels import runtime
from backend.kernels.rasterise import EMPTY, NEAR, pixel_x, pixel_y

wp.set_module_options({"enable_backward": False})

_FLATTEST = wp.constant(3.0)
"""Lines of pixels are followed along edges up to this many times flatter than the lines are apart; such an edge's share
in the blending is below 1/82, see `backend.render.antialias`."""


@wp.func
def _orientation(vertices: wp.array2d(dtype=wp.vec3), faces: wp.array2d(dtype=int), view: int, face: int):
    """Volume of the tetrahedron of eye and triangle: negative where the triangle's outside faces the eye."""
    a = vertices[view, faces[face, 0]]
    return wp.dot(a, wp.cross(vertices[view, faces[face, 1]] - a, vertices[view, faces[face, 2]] - a))


@wp.func
def _opposite(faces: wp.array2d(dtype=int), face: int, first: int, second: int):
    """The triangle's corner that is not on the edge."""
    found = faces[face, 0]
    for k in range(3):
        v = faces[face, k]
        if v != first and v != second:
            found = v
    return found


@wp.func
def _side(p: wp.vec3, m0: float, n0: float, slope: float, steep: bool, w: float, h: float, tangent: float):
    """How far right of (or below) the edge's line a point projects; see `_silhouette` for the axes."""
    if p[2] > -NEAR:
        return 0.0
    x = pixel_x(p, w, h, tangent)
    y = pixel_y(p, h, tangent)
    if steep:
        return x - n0 - (y - m0) * slope
    return y - n0 - (x - m0) * slope


@wp.kernel
def _silhouette(
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    edges: wp.array2d(dtype=int),
    edge_faces: wp.array2d(dtype=int),
    tangents: wp.array(dtype=float),
    face_image: wp.array3d(dtype=int),
    depth: wp.array3d(dtype=float),
    width: int,
    height: int,
    keys: wp.array4d(dtype=wp.int64),
):
    view, edge = wp.tid()
    f0 = edge_faces[edge, 0]
    f1 = edge_faces[edge, 1]
    seen = wp.bool(f1 < 0)
    if f1 >= 0:
        seen = (_orientation(vertices, faces, view, f0) < 0.0) != (_orientation(vertices, faces, view, f1) < 0.0)
    p = vertices[view, edges[edge, 0]]
    q = vertices[view, edges[edge, 1]]
    if seen and p[2] < -NEAR and q[2] < -NEAR:
        tangent = tangents[view]
        w = float(width)
        h = float(height)
        px = pixel_x(p, w, h, tangent)
        py = pixel_y(p, h, tangent)
        qx = pixel_x(q, w, h, tangent)
        qy = pixel_y(q, h, tangent)
        # Rows (axis 0) and columns (axis 1) are walked alike: m runs along the edge over lines of pixels, n is the
        # place of the crossing within the line.
        for axis in range(2):
            steep = axis == 0
            m0 = wp.where(steep, py, px)
            m1 = wp.where(steep, qy, qx)
            n0 = wp.where(steep, px, py)
            n1 = wp.where(steep, qx, qy)
            lines = wp.where(steep, height, width)
            length = wp.where(steep, width, height)
            if wp.abs(m1 - m0) * _FLATTEST > wp.abs(n1 - n0):
                slope = (n1 - n0) / (m1 - m0)
                o0 = vertices[view, _opposite(faces, f0, edges[edge, 0], edges[edge, 1])]
                side = _side(o0, m0, n0, slope, steep, w, h, tangent)
                if f1 >= 0:
                    o1 = vertices[view, _opposite(faces, f1, edges[edge, 0], edges[edge, 1])]
                    other = _side(o1, m0, n0, slope, steep, w, h, tangent)
                    if wp.abs(other) > wp.abs(side):
                        side = other
                first = int(wp.clamp(wp.ceil(wp.min(m0, m1) - 0.5), 0.0, float(lines)))
                last = int(wp.clamp(wp.ceil(wp.max(m0, m1) - 0.5), 0.0, float(lines)))
                for m in range(first, last):
                    part = (float(m) + 0.5 - m0) / (m1 - m0)
                    n = int(wp.floor(n0 + part * (n1 - n0) - 0.5))
                    if n >= 0 and n + 1 < length:
                        near = 1.0 / ((1.0 - part) / -p[2] + part / -q[2])
                        inside = wp.where(side > 0.0, n + 1, n)
                        outside = wp.where(side > 0.0, n, n + 1)
                        ji = wp.where(steep, m, inside)
                        ii = wp.where(steep, inside, m)
                        jo = wp.where(steep, m, outside)
                        io = wp.where(steep, outside, m)
                        if face_image[view, ji, ii] >= 0:
                            background = face_image[view, jo, io] < 0
                            behind = depth[view, jo, io]
                            if background or (behind > near * 1.001 and behind > depth[view, ji, ii]):
                                bits = wp.int64(wp.cast(near, wp.int32))
                                name = wp.int64(2 * edge) + wp.int64(wp.where(side > 0.0, 1, 0))
                                j = wp.where(steep, m, n)
                                i = wp.where(steep, n, m)
                                wp.atomic_min(keys, view, j, i, axis, (bits << wp.int64(32)) | name)


def silhouette_pairs(
    vertices: torch.Tensor,
    faces: torch.Tensor,
    edges: torch.Tensor,
    edge_faces: torch.Tensor,
    tangents: torch.Tensor,
    face_image: torch.Tensor,
    depth: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbouring pixels that a visible silhouette edge separates.

    edges (E, 2) int32 vertex numbers, edge_faces (E, 2) int32 adjacent faces (-1: none). Returns (P, 4) int64 [view,
    row, column, axis] of the left (axis 0) or upper (axis 1) pixel of each pair, and (P,) int64 2 * edge + (1 where the
    surface is on the right or lower pixel). In order of pixels.
    """
    views, height, width = face_image.shape
    keys = torch.full((views, height, width, 2), EMPTY, dtype=torch.int64, device=vertices.device)
    if edges.shape[0] and views:
        inputs = [runtime.view(vertices.contiguous(), wp.vec3)]
        inputs += [runtime.view(a) for a in (faces, edges, edge_faces, tangents, face_image.contiguous())]
        inputs += [runtime.view(depth.contiguous()), width, height, runtime.view(keys)]
        runtime.launch(_silhouette, (views, edges.shape[0]), inputs, vertices.device)
    places = (keys != EMPTY).nonzero()
    return places, keys[tuple(places.t())] & 0xFFFFFFFF
