# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh facts on shapes small enough to count by hand."""

import numpy as np
import pytest

from backend.geometry.distance import distance_to_mesh
from backend.geometry.mesh import (
    Mesh,
    compact,
    edge_faces,
    edges_and_corners,
    face_components,
    signed_volume,
    vertex_normals,
)

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
SQUARE_FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
TETRAHEDRON = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
TETRAHEDRON_FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


def test_the_door_refuses_what_is_not_a_mesh():
    for vertices, faces, words in (
        (np.zeros((3, 2)), SQUARE_FACES, r"\(V, 3\)"),
        (SQUARE, np.array([[0, 1, 4]]), "there are 4"),
        (SQUARE * np.nan, SQUARE_FACES, "not finite"),
    ):
        with pytest.raises(ValueError, match=words):
            Mesh(vertices, faces)
    with pytest.raises(ValueError, match="uvs"):
        Mesh(SQUARE, SQUARE_FACES, uvs=np.zeros((4, 2)))
    assert Mesh(SQUARE, SQUARE_FACES).with_uvs(np.zeros((6, 2))).uvs.dtype == np.float32


def test_edges_follow_blenders_loops():
    edges, corner = edges_and_corners(SQUARE_FACES, 4)
    assert edges.dtype == corner.dtype == np.int32
    assert edges.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]]
    for face in range(2):
        for i in range(3):
            ends = {SQUARE_FACES[face, i], SQUARE_FACES[face, (i + 1) % 3]}
            assert set(edges[corner[3 * face + i]]) == ends
    empty, none = edges_and_corners(np.zeros((0, 3), np.int32))
    assert empty.shape == (0, 2) and none.shape == (0,)


def test_edge_faces_finds_the_one_shared_edge():
    pairs, ends, corners = edge_faces(SQUARE_FACES, 4)
    assert pairs.tolist() == [[0, 1]] and ends.tolist() == [[0, 2]] and corners.tolist() == [[2, 3]]


def test_volume_normals_and_parts():
    assert signed_volume(TETRAHEDRON, TETRAHEDRON_FACES) == pytest.approx(1 / 6)
    normals = vertex_normals(SQUARE, SQUARE_FACES)
    assert np.allclose(normals, [0, 0, 1])
    # Weighted by angle, a cube's corner points along its diagonal however its sides are cut.
    corner = vertex_normals(TETRAHEDRON, TETRAHEDRON_FACES[:3])[0]
    assert np.allclose(corner, -np.ones(3) / np.sqrt(3), atol=1e-6)
    two = np.vstack((SQUARE_FACES, SQUARE_FACES + 4))
    number, part = face_components(two, 8)
    assert number == 2 and part.tolist() == [0, 0, 1, 1]
    vertices, faces = compact(np.vstack((SQUARE, SQUARE + 2)), SQUARE_FACES + 4)
    assert len(vertices) == 4 and faces.tolist() == SQUARE_FACES.tolist()


def test_distances_to_inside_edge_and_corner_of_a_triangle():
    points = np.array([[0.6, 0.3, 0.5], [0.5, -2.0, 0.0], [3.0, 3.0, 0.0], [0.5, 0.5, 0.0]])
    distance, face, barycentric = distance_to_mesh(points, SQUARE, SQUARE_FACES)
    assert distance == pytest.approx([0.5, 2.0, np.sqrt(8), 0.0])
    rebuilt = (SQUARE[SQUARE_FACES[face]] * barycentric[:, :, None]).sum(1)
    assert np.linalg.norm(rebuilt - points, axis=1) == pytest.approx(distance)
