# SPDX-License-Identifier: GPL-3.0-or-later
"""Terms that keep a surface under optimisation calm: normal consistency, Laplacian, and the sign term of the field.

Each is a mean, so its weight does not depend on the resolution. Face neighbours of a marched surface change with
every step; they come from one sort of packed keys, about a millisecond for 20,000 faces.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional


def face_pairs(faces: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(pairs (P, 2) of faces that share an edge, edges (P, 2) its vertices, lower first). Edges with one face, or
    more than two, are left out. `count` is the number of vertices."""
    start, end = faces, faces.roll(-1, 1)
    key = (torch.minimum(start, end).long() * count + torch.maximum(start, end).long()).reshape(-1)
    ordered, order = key.sort(stable=True)
    same = ordered[1:] == ordered[:-1]
    no = same.new_zeros(1)
    after, before = torch.cat((same, no)), torch.cat((no, same))
    # The first of exactly two: equal to its successor, not to its predecessor, and the successor's successor differs.
    two = torch.cat((after[1:], no))
    first = (after & ~before & ~two).nonzero().squeeze(1)
    pairs = torch.stack((order[first] // 3, order[first + 1] // 3), 1)
    return pairs, torch.stack((ordered[first] // count, ordered[first] % count), 1)


def unit_face_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """(F, 3) unit normals with a gradient that stays finite on faces without area."""
    a, b, c = (vertices.index_select(0, faces[:, i]) for i in range(3))
    return functional.normalize(torch.linalg.cross(b - a, c - a), dim=1, eps=1e-12)


def normal_consistency(vertices: torch.Tensor, faces: torch.Tensor, pairs: torch.Tensor | None = None) -> torch.Tensor:
    """Mean of 1 - cos over all pairs of faces that truly share an edge, 0 on a flat surface; in 0..2."""
    if pairs is None:
        pairs, _ = face_pairs(faces, len(vertices))
    if not len(pairs):
        return vertices.sum() * 0.0
    normals = unit_face_normals(vertices, faces)
    one, two = normals.index_select(0, pairs[:, 0]), normals.index_select(0, pairs[:, 1])
    return (1.0 - (one * two).sum(1)).mean()


def vertex_normals_of(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """(V, 3) area-weighted unit vertex normals with gradients, for shading and for the edge variant below."""
    a, b, c = (vertices.index_select(0, faces[:, i]) for i in range(3))
    vectors = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for i in range(3):
        total = total.index_add(0, faces[:, i], vectors)
    return functional.normalize(total, dim=1, eps=1e-12)


def laplacian(vertices: torch.Tensor, faces: torch.Tensor, edges: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared distance of a vertex from the mean of its neighbours, in squared units of the vertices."""
    if edges is None:
        _, edges = face_pairs(faces, len(vertices))
    if not len(edges):
        return vertices.sum() * 0.0
    a, b = edges.unbind(1)
    total = torch.zeros_like(vertices).index_add(0, a, vertices.index_select(0, b))
    total = total.index_add(0, b, vertices.index_select(0, a))
    ones = torch.ones_like(a, dtype=vertices.dtype)
    degree = torch.zeros_like(vertices[:, 0]).index_add(0, a, ones).index_add(0, b, ones)
    linked = (degree > 0).to(vertices.dtype)
    mean = total / degree.clamp(min=1.0)[:, None]
    return ((mean - vertices).square().sum(1) * linked).sum() / linked.sum()


def sign_change_entropy(sdf: torch.Tensor, edges: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    """Cross entropy between the two ends of the grid edges that cross the surface (Munkberg et al. 2022, nvdiffrec,
    eq. 2).

    It pulls both ends of a crossing towards one sign, which removes floaters and inner surfaces that nobody sees.
    edges (N, 2) are the crossed ones (`Surface.edges`); `scale` is the length that counts as one, usually the cell
    size.
    """
    if not len(edges):
        return sdf.sum() * 0.0
    a, b = (sdf.index_select(0, edges[:, i]) / scale for i in range(2))
    one = functional.binary_cross_entropy_with_logits(a, (b > 0).to(a.dtype))
    two = functional.binary_cross_entropy_with_logits(b, (a > 0).to(b.dtype))
    return one + two
