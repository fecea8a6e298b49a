# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays land in a Blender mesh exactly, and arrays that are no mesh are refused before Blender sees them."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest

from blender_addon.apply.mesh import BrokenMesh, MeshArrays, build_mesh


def read(mesh, name: str, field: str, count: int, dtype: type) -> np.ndarray:
    out = np.empty(count, dtype=dtype)
    mesh.attributes[name].data.foreach_get(field, out)
    return out


@pytest.mark.parametrize("with_edges", [True, False])
def test_arrays_land_exactly(arrays, with_edges):
    if not with_edges:
        del arrays["edges"], arrays["corner_edges"]
    mesh = build_mesh("ball", MeshArrays.from_result(arrays))
    assert not mesh.validate(verbose=True), "Blender had to repair the mesh"
    vertices, faces, uvs = arrays["vertices"], arrays["faces"], arrays["uvs"]
    assert np.array_equal(read(mesh, "position", "vector", vertices.size, np.float32), vertices.ravel())
    assert np.array_equal(read(mesh, ".corner_vert", "value", faces.size, np.int32), faces.ravel())
    assert np.array_equal(read(mesh, "UVMap", "vector", uvs.size, np.float32), uvs.ravel())
    assert len(mesh.edges) == len(vertices) + len(faces) - 2  # Euler's formula: one closed surface without handles
    assert [layer.name for layer in mesh.uv_layers] == ["UVMap"]


def test_corners_know_their_edges(arrays):
    mesh = build_mesh("ball", MeshArrays.from_result(arrays))
    for loop in list(mesh.loops)[::7]:
        assert loop.vertex_index in mesh.edges[loop.edge_index].vertices


def test_normals_point_outside_and_are_smooth(arrays):
    mesh = build_mesh("ball", MeshArrays.from_result(arrays))
    centre = np.array([0.0, 0.0, 0.5])
    for polygon in mesh.polygons:
        assert polygon.use_smooth
        assert np.dot(polygon.normal, np.array(polygon.center) - centre) > 0.0


def test_edges_sharper_than_the_angle_stay_sharp(arrays):
    cube_vertices = np.array(
        [[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=np.float32
    )
    cube_faces = np.array(
        [(0, 2, 3), (0, 3, 1), (4, 5, 7), (4, 7, 6), (0, 1, 5), (0, 5, 4),
         (2, 6, 7), (2, 7, 3), (0, 4, 6), (0, 6, 2), (1, 3, 7), (1, 7, 5)], dtype=np.int32,
    )
    cube = build_mesh("cube", MeshArrays(cube_vertices, cube_faces), sharp_angle=math.radians(60.0))
    assert sum(edge.use_edge_sharp for edge in cube.edges) == 12
    round_mesh = build_mesh("ball", MeshArrays.from_result(arrays), sharp_angle=math.radians(60.0))
    assert sum(edge.use_edge_sharp for edge in round_mesh.edges) == 0


def change(arrays, name, edit):
    copy = arrays[name].copy()
    edited = edit(copy)
    arrays[name] = copy if edited is None else edited


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("faces", lambda a: a.__setitem__((0, 0), 10_000), "faces points at"),
        ("faces", lambda a: a.__setitem__((0, 0), -1), "faces points at"),
        ("faces", lambda a: a.astype(np.int64), "int64"),
        ("vertices", lambda a: a.__setitem__((3, 1), np.nan), "not finite"),
        ("vertices", lambda a: a[:, :2], "vertices is"),
        ("vertices", lambda a: a.astype(np.float64), "float64"),
        ("uvs", lambda a: a[:-1], "uvs is"),
        ("uvs", lambda a: a.__setitem__((0, 0), np.inf), "not finite"),
        ("edges", lambda a: a.__setitem__((0, 0), 99_999), "edges points at"),
        ("corner_edges", lambda a: a.__setitem__(0, 99_999), "corner_edges points at"),
        ("corner_edges", lambda a: a[::-1].copy(), "corner_edges names an edge"),
    ],
)
def test_arrays_that_are_no_mesh_are_refused(arrays, name, edit, words):
    change(arrays, name, edit)
    with pytest.raises(BrokenMesh, match=words):
        MeshArrays.from_result(arrays)
    assert len(bpy.data.meshes) == 0


def test_a_mesh_without_faces_is_refused(arrays):
    with pytest.raises(BrokenMesh, match="empty"):
        MeshArrays.from_result({"vertices": arrays["vertices"], "faces": arrays["faces"][:0]})


def test_a_missing_array_is_named(arrays):
    del arrays["faces"]
    with pytest.raises(BrokenMesh, match="no array called faces"):
        MeshArrays.from_result(arrays)


def test_read_only_arrays_are_good_enough(arrays):
    frozen = {name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape) for name, array in arrays.items()}
    mesh = build_mesh("ball", MeshArrays.from_result(frozen))
    assert not mesh.validate()
