# SPDX-License-Identifier: GPL-3.0-or-later
"""From any triangle soup to a closed, manifold, outward mesh without specks: the first finishing stage.

The order matters. Faces without area and doubles go first; then vertices are cut apart wherever faces do not form one
fan (which makes every edge and vertex manifold, at the price of holes); specks and hidden cavities are dropped; holes
are closed by a fan around a new vertex, which cannot create an edge that exists; at last slivers go and every part
winds outward. After that the mesh is closed and manifold by construction, and `clean` checks it once more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

from backend.geometry.health import Health, check, corner_fans
from backend.geometry.mesh import (
    Mesh,
    compact,
    edge_faces,
    edges_and_corners,
    face_areas,
    face_components,
    face_vectors,
    half_edge_keys,
)
from backend.geometry.remesh import Floats, Ints, remove_slivers
from protocol.errors import EmptySurface


@dataclass(frozen=True)
class CleanReport:
    """What was done: counts, and the health before and after."""

    before: Health
    after: Health
    parts_dropped: int
    cavities_dropped: int
    holes_closed: int
    vertices_split: int


def clean(
    mesh: Mesh,
    *,
    weld_distance: float = 0.0,
    smallest_share: float = 0.02,
    most_parts: int = 0,
    drop_cavities: bool = True,
    smoothing: int = 0,
) -> tuple[Mesh, CleanReport]:
    """A closed, manifold, outward mesh, and what it took. UVs and colours are dropped.

    weld_distance: merge vertices nearer than this (0: none; marched surfaces are connected already and must not be
    welded). smallest_share: drop parts whose area and volume are below this share of the largest's. most_parts: keep
    so many at most (0: all). drop_cavities: drop parts that wind inward, the walls of bubbles that nobody sees; leave
    it on for marched surfaces, off for foreign meshes whose winding is arbitrary. smoothing: rounds of Taubin
    smoothing. Raises EmptySurface where nothing is left.
    """
    before = check(mesh.vertices, mesh.faces)
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    if weld_distance > 0.0:
        vertices, faces = weld(vertices, faces, weld_distance)
    faces = _distinct(faces)
    if not before.sound:
        faces = orient_together(faces, len(vertices))
    split_from = len(np.unique(faces))
    vertices, faces = cut_apart(vertices, faces)
    split = len(vertices) - split_from
    vertices, faces, parts, cavities = _drop_parts(vertices, faces, smallest_share, most_parts, drop_cavities)
    if not len(faces):
        raise EmptySurface(
            "After cleaning nothing is left of the mesh: it had no part with a volume.",
            hint="Lower the density threshold, or run more coarse steps.",
            stage="finish",
        )
    vertices, faces, holes = close_holes(vertices, faces)
    if smoothing:
        vertices = taubin(vertices, faces, smoothing)
    # What counts is the mesh in float32, where a needle may have become a point.
    vertices = vertices.astype(np.float32).astype(np.float64)
    vertices, faces = remove_slivers(vertices, faces)
    faces = turn_outward(vertices, faces)
    positions, kept = compact(vertices, faces)
    result = Mesh(positions.astype(np.float32), kept)
    after = check(result.vertices, result.faces)
    return result, CleanReport(before, after, parts, cavities, holes, max(split, 0))


def weld(vertices: Floats, faces: Ints, distance: float) -> tuple[Floats, Ints]:
    """Vertices nearer than `distance` become one (connected groups, at their mean)."""
    pairs = cKDTree(vertices).query_pairs(distance, output_type="ndarray")
    count = len(vertices)
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    number, label = connected_components(graph, directed=False)
    size = np.bincount(label, minlength=number)
    mean = np.stack([np.bincount(label, vertices[:, k], number) for k in range(3)], 1) / size[:, None]
    return mean, label.astype(np.int64)[faces]


def _distinct(faces: Ints) -> Ints:
    """Without faces that repeat a vertex, and each set of three vertices once."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return faces[np.sort(first)]


def orient_together(faces: Ints, count: int) -> Ints:
    """Neighbours across edges with two faces wind alike, the first face of each connected piece as it was. On a piece
    that cannot be oriented (a Moebius band) some neighbours still disagree; `cut_apart` separates them.
    """
    pairs, _, corners = edge_faces(faces, count)
    _, forward = half_edge_keys(faces, count)
    flip = (forward[corners[:, 0]] == forward[corners[:, 1]]).astype(np.int64)
    if not flip.any():
        return faces
    total = len(faces)
    graph = coo_matrix((flip + 1, (pairs[:, 0], pairs[:, 1])), shape=(total, total)).tocsr()
    graph = graph.maximum(graph.T)
    number, label = connected_components(graph, directed=False)
    _, roots = np.unique(label, return_index=True)
    turned = np.zeros(total, bool)
    for root in roots[:number]:
        if graph.indptr[root + 1] == graph.indptr[root]:
            continue
        order, parent = breadth_first_order(graph, root, directed=False)
        # Parity along the tree, a generation at a time would need depths; one pass in order is as many steps as faces.
        step = np.asarray(graph[parent[order[1:]], order[1:]]).ravel() == 2
        for face, change in zip(order[1:].tolist(), step.tolist(), strict=True):
            turned[face] = turned[parent[face]] ^ change
    result = faces.copy()
    result[turned] = result[turned][:, [0, 2, 1]]
    return result


def cut_apart(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """One vertex per fan of faces. Edges with more than two faces, or two that wind against each other, become
    borders.
    """
    count = len(vertices)
    number, fan = corner_fans(faces, count)
    owner = np.zeros(number, np.int64)
    owner[fan] = faces.ravel()
    return vertices[owner], fan.reshape(-1, 3)


def _drop_parts(
    vertices: Floats, faces: Ints, smallest_share: float, most_parts: int, drop_cavities: bool
) -> tuple[Floats, Ints, int, int]:
    number, part = face_components(faces, len(vertices))
    if number == 0:
        return vertices, faces, 0, 0
    area = np.bincount(part, face_areas(vertices, faces), number)
    corner = vertices[faces[:, 0]]
    middle = np.stack([np.bincount(part, corner[:, k], number) for k in range(3)], 1) / np.bincount(part)[:, None]
    # Measured from the part's own middle, so that an open part has a sensible volume too.
    volume = np.bincount(part, ((corner - middle[part]) * face_vectors(vertices, faces)).sum(1) / 6.0, number)
    cavity = (volume < 0) if drop_cavities and volume.max() > 0 else np.zeros(number, bool)
    size = np.abs(volume)
    keep = ~cavity & (area > 0)
    if keep.any():
        keep &= (area >= smallest_share * area[keep].max()) | (size >= smallest_share * size[keep].max())
    keep &= np.bincount(part, minlength=number) >= 4
    if most_parts and keep.sum() > most_parts:
        order = np.flatnonzero(keep)[np.argsort(-size[keep], kind="stable")]
        keep[order[most_parts:]] = False
    kept_vertices, kept_faces = compact(vertices, faces[keep[part]])
    return kept_vertices, kept_faces.astype(np.int64), int((~keep & ~cavity).sum()), int(cavity.sum())


def close_holes(vertices: Floats, faces: Ints) -> tuple[Floats, Ints, int]:
    """Close every border loop by a fan around its middle (a triangle by itself). Wants one fan a vertex, so that
    loops are simple; the new vertex is in no other edge, so the result stays manifold.
    """
    count = len(vertices)
    keys, forward = half_edge_keys(faces, count)
    _, inverse, uses = np.unique(keys, return_inverse=True, return_counts=True)
    single = np.flatnonzero(uses[inverse.ravel()] == 1)
    if not len(single):
        return vertices, faces, 0
    start = faces.ravel()[single]
    end = faces.ravel()[single // 3 * 3 + (single % 3 + 1) % 3]
    graph = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    _, loop = np.unique(label[start], return_inverse=True)
    number = int(loop.max()) + 1
    length = np.bincount(loop, minlength=number)
    weight = np.linalg.norm(vertices[start] - vertices[end], axis=1) + 1e-300
    middle = 0.5 * (vertices[start] + vertices[end]) * weight[:, None]
    total = np.bincount(loop, weight, number)
    centre = np.stack([np.bincount(loop, middle[:, k], number) for k in range(3)], 1) / total[:, None]
    # The fan runs against the border, as a neighbour across an edge does.
    fans = np.stack((end, start, count + loop), 1)
    return np.concatenate((vertices, centre)), np.concatenate((faces, fans)), int((length > 0).sum())


def turn_outward(vertices: Floats, faces: Ints) -> Ints:
    """Every connected part with a negative volume is turned over."""
    number, part = face_components(faces, len(vertices))
    volume = np.bincount(part, (vertices[faces[:, 0]] * face_vectors(vertices, faces)).sum(1), number)
    result = faces.copy()
    inward = (volume < 0)[part]
    result[inward] = result[inward][:, [0, 2, 1]]
    return result


def taubin(vertices: Floats, faces: Ints, rounds: int, shrink: float = 0.5, grow: float = -0.53) -> Floats:
    """Low-pass smoothing that keeps the volume (Taubin 1995): a step of 0.5 towards the neighbours' mean and one of
    -0.53 back, `rounds` times. Connectivity is untouched, so a manifold stays one.
    """
    edges, _ = edges_and_corners(faces, len(vertices))
    a, b = edges.T
    count = len(vertices)
    matrix = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count)).tocsr()
    degree = np.maximum(np.asarray(matrix.sum(1)).ravel(), 1.0)
    mean = diags(1.0 / degree) @ matrix
    moved = vertices.copy()
    alone = np.diff(matrix.indptr) == 0
    for _ in range(rounds):
        for step in (shrink, grow):
            moved = moved + step * (mean @ moved - moved)
    moved[alone] = vertices[alone]
    return moved
