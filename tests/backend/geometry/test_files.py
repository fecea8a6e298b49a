# SPDX-License-Identifier: GPL-3.0-or-later
"""Files come back as they were written, in the right orientation, and broken ones are refused by name."""

import json
import struct

import numpy as np
import pytest
import trimesh

from backend.geometry.files import Material, png_bytes, read_mesh, seam_split, write_mesh
from backend.geometry.mesh import Mesh, face_normals
from protocol.errors import BadRequest

# An open corner: two squares at a right angle, a seam between them.
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 1, 2], [1, 0, 2]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3], [1, 5, 4], [1, 4, 2]], np.int32)
UVS = np.array(
    [
        [0, 0],
        [0.4, 0],
        [0.4, 0.4],
        [0, 0],
        [0.4, 0.4],
        [0, 0.4],
        [0.6, 0],
        [0.6, 0.8],
        [1, 0.8],
        [0.6, 0],
        [1, 0.8],
        [1, 0],
    ],
    np.float32,
)
PICTURE = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)


def test_a_glb_is_self_contained_upright_and_comes_back(tmp_path):
    path = write_mesh(
        tmp_path / "a" / "model.glb", Mesh(VERTICES, FACES, uvs=UVS), PICTURE, Material("Paint", 0.3, 0.9)
    )
    data = path.read_bytes()
    header = json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])
    material = header["materials"][0]["pbrMetallicRoughness"]
    assert material["roughnessFactor"] == pytest.approx(0.3) and material["metallicFactor"] == pytest.approx(0.9)
    assert header["images"][0]["mimeType"] == "image/png" and "uri" not in header["images"][0]
    position = header["accessors"][header["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    # Y is up in glTF: the two metres of height are in Y there.
    assert position["max"][1] == pytest.approx(2.0)
    mesh, picture = read_mesh(path)
    assert np.array_equal(picture, PICTURE)
    assert np.allclose(mesh.vertices[mesh.faces], VERTICES[FACES], atol=1e-6)
    assert np.allclose(mesh.uvs, UVS, atol=1e-6)
    assert np.allclose(face_normals(mesh.vertices, mesh.faces), face_normals(VERTICES, FACES), atol=1e-6)


def test_obj_brings_its_material_and_ply_its_vertex_colours(tmp_path):
    path = write_mesh(tmp_path / "model.obj", Mesh(VERTICES, FACES, uvs=UVS), PICTURE)
    assert (tmp_path / "model.mtl").exists()
    mesh, picture = read_mesh(path)
    assert np.allclose(mesh.vertices[mesh.faces], VERTICES[FACES], atol=1e-6) and np.allclose(mesh.uvs, UVS, atol=1e-6)
    assert picture.shape == (8, 8, 3)
    colours = np.linspace(0, 1, 18).reshape(6, 3)
    plain = write_mesh(tmp_path / "model.ply", Mesh(VERTICES, FACES, colours=colours))
    again, _ = read_mesh(plain)
    assert np.allclose(again.vertices, VERTICES) and b"red" in plain.read_bytes()[:400]


def test_seam_vertices_are_split_once_each():
    source, faces, uvs = seam_split(Mesh(VERTICES, FACES, uvs=UVS))
    assert len(source) == 8  # the seam's two vertices twice
    assert np.array_equal(source[faces], FACES) and np.array_equal(uvs[faces.ravel()], UVS)


def test_the_same_mesh_gives_the_same_bytes(tmp_path):
    one, two = (
        write_mesh(tmp_path / f"{i}.glb", Mesh(VERTICES, FACES, uvs=UVS), PICTURE).read_bytes() for i in range(2)
    )
    assert one == two and png_bytes(PICTURE) == png_bytes(PICTURE)


def test_bad_paths_and_broken_files_are_named(tmp_path):
    broken = tmp_path / "broken.glb"
    broken.write_bytes(b"glTF not really")
    with pytest.raises(BadRequest, match="broken.glb"):
        read_mesh(broken)
    with pytest.raises(BadRequest, match="no mesh file"):
        read_mesh(tmp_path / "missing.glb")
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(BadRequest, match="not a mesh format"):
        read_mesh(tmp_path / "note.txt")
    with pytest.raises(BadRequest, match="written as"):
        write_mesh(tmp_path / "model.fbx", Mesh(VERTICES, FACES))
    (tmp_path / "empty.obj").write_text("# nothing\n")
    with pytest.raises(BadRequest):
        read_mesh(tmp_path / "empty.obj")
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("ending", [".glb", ".obj", ".stl"])
def test_a_closed_surface_is_closed_when_it_is_read(tmp_path, ending):
    """Whatever a format needs a vertex several times for."""
    ball = trimesh.creation.icosphere(2)
    vertices, faces = np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)
    uvs = np.random.default_rng(3).random((3 * len(faces), 2)).astype(np.float32)  # every corner its own
    path = tmp_path / f"ball{ending}"
    if ending == ".stl":
        trimesh.Trimesh(vertices, faces, process=False).export(path)
    else:
        write_mesh(path, Mesh(vertices, faces, uvs=uvs), PICTURE)
    again, _ = read_mesh(path)
    assert len(again.vertices) == len(vertices)
    edges = np.sort(again.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert np.allclose(again.vertices[again.faces], vertices[faces], atol=1e-5)  # faces and corners in their order
    if ending != ".stl":
        assert np.allclose(again.uvs, uvs, atol=1e-5)
