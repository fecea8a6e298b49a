# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this mesh fit to hand over? Counts of everything that breaks a modifier, a print, an unwrap or a bake."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from backend.geometry.mesh import Array, edge_faces, face_components, face_vectors, half_edge_keys, signed_volume

# A face is degenerate when its height is below this share of its longest side: its normal is noise in float32.
FLATNESS = 1e-4


@dataclass(frozen=True)
class Health:
    """Counts over a mesh. `inward_parts` are parts that wind inward (negative volume); `unused_vertices` touch no
    face.
    """

    vertices: int
    faces: int
    parts: int
    open_edges: int
    crowded_edges: int
    mismatched_edges: int
    crowded_vertices: int
    degenerate_faces: int
    duplicate_faces: int
    inward_parts: int
    unused_vertices: int
    euler: int
    volume: float

    @property
    def closed(self) -> bool:
        """Every edge has two faces at least, and there is a face."""
        return self.faces > 0 and self.open_edges == 0

    @property
    def manifold(self) -> bool:
        """At most two faces an edge, one fan of faces a vertex."""
        return self.crowded_edges == 0 and self.crowded_vertices == 0

    @property
    def sound(self) -> bool:
        """Closed, manifold, consistently outward, without degenerate or double faces: what is delivered."""
        return (
            self.closed
            and self.manifold
            and not (self.mismatched_edges or self.inward_parts or self.degenerate_faces or self.duplicate_faces)
        )

    def to_map(self) -> dict[str, float | int | bool]:
        """Everything as plain values for a report."""
        return {**asdict(self), "closed": self.closed, "manifold": self.manifold, "sound": self.sound}


def degenerate(vertices: Array, faces: Array, flatness: float = FLATNESS) -> NDArray[np.bool_]:
    """(F,) faces that repeat a vertex, or whose height is below `flatness` of their longest side."""
    corners = np.asarray(vertices, np.float64)[faces]
    longest = ((corners - np.roll(corners, -1, axis=1)) ** 2).sum(2).max(1)
    double_area = np.linalg.norm(face_vectors(vertices, faces), axis=1)
    a, b, c = faces.T
    return (a == b) | (b == c) | (c == a) | (double_area <= flatness * longest)


def corner_fans(faces: Array, count: int) -> tuple[int, NDArray[np.int64]]:
    """(fans, (3F,) fan of each corner): corners of one vertex belong to one fan when faces connect them across edges
    that have exactly two faces winding alike. A manifold vertex has one fan.
    """
    keys, forward = half_edge_keys(faces, count)
    _, _, pair = edge_faces(faces, count)
    del keys
    pair = pair[forward[pair[:, 0]] != forward[pair[:, 1]]]
    # Opposite directions: the start of one half edge is the end of the other.
    after = pair // 3 * 3 + (pair % 3 + 1) % 3
    one, two = np.r_[pair[:, 0], after[:, 0]], np.r_[after[:, 1], pair[:, 1]]
    total = 3 * len(faces)
    graph = coo_matrix((np.ones(len(one), np.int8), (one, two)), shape=(total, total))
    number, label = connected_components(graph, directed=False)
    return number, label.astype(np.int64)


def check(vertices: Array, faces: Array) -> Health:
    """Count every defect of a mesh given as vertices (V, 3) and faces (F, 3). One sort of 3F keys and two graph
    passes.
    """
    count = len(vertices)
    if not len(faces):
        return Health(count, 0, 0, 0, 0, 0, 0, 0, 0, 0, count, 0, 0.0)
    keys, forward = half_edge_keys(faces, count)
    unique, inverse, uses = np.unique(keys, return_inverse=True, return_counts=True)
    net = np.bincount(inverse.ravel(), np.where(forward, 1.0, -1.0), len(unique))
    used = np.unique(faces)
    fans, _ = corner_fans(faces, count)
    parts, part = face_components(faces, count)
    volumes = np.bincount(
        part, (np.asarray(vertices, np.float64)[faces[:, 0]] * face_vectors(vertices, faces)).sum(1) / 6.0, parts
    )
    ordered = np.sort(faces, axis=1).astype(np.int64)
    triples = (ordered[:, 0] * count + ordered[:, 1]) * count + ordered[:, 2]
    return Health(
        vertices=count,
        faces=len(faces),
        parts=parts,
        open_edges=int((uses == 1).sum()),
        crowded_edges=int((uses > 2).sum()),
        mismatched_edges=int(((uses == 2) & (net != 0)).sum()),
        crowded_vertices=fans - len(used),
        degenerate_faces=int(degenerate(vertices, faces).sum()),
        duplicate_faces=len(faces) - len(np.unique(triples)),
        inward_parts=int((volumes < 0).sum()),
        unused_vertices=count - len(used),
        euler=len(used) - len(unique) + len(faces),
        volume=signed_volume(vertices, faces),
    )
