# SPDX-License-Identifier: GPL-3.0-or-later
"""Any kind of job from the shell: files become inputs, results become files; what is wrong is said before it starts."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner
from PIL import Image

from backend.cli import group
from backend.cli.again import read_request, text_of
from backend.cli.generate import write_files
from backend.cli.inputs import load_inputs
from backend.cli.make import pair
from backend.geometry.files import png_bytes, read_mesh, write_mesh
from backend.geometry.mesh import Mesh
from protocol.batch import inputs, manifest
from protocol.batch.asked import request_of
from protocol.errors import BadRequest
from protocol.specs import KINDS, AnimateSpec, TextTo3DSpec
from protocol.updates import Result

from .test_cli import maquette

PICTURE = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)


@pytest.fixture
def box(tmp_path):
    shape = trimesh.creation.box()
    faces = np.asarray(shape.faces, np.int32)
    uvs = np.random.default_rng(1).random((3 * len(faces), 2)).astype(np.float32)
    mesh = Mesh(np.asarray(shape.vertices, np.float32), faces, uvs=uvs)
    return write_mesh(tmp_path / "box.glb", mesh, PICTURE), mesh


def test_a_mesh_file_brings_its_geometry_uvs_and_texture(box):
    path, mesh = box
    found = load_inputs("texture", {"mesh": str(path)})
    assert set(found) == {"vertices", "faces", "uvs", "base_colour"}
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    again = found["vertices"][found["faces"]].reshape(-1, 3)
    both = (np.hstack([corners, mesh.uvs]), np.hstack([again, found["uvs"]]))
    order = [np.lexsort(np.round(one, 4).T) for one in both]
    assert np.allclose(corners[order[0]], again[order[1]], atol=1e-6)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(found["base_colour"].tobytes())).convert("RGB")), PICTURE)
    assert set(load_inputs("rig", {"mesh": str(path)})) == {"vertices", "faces"}  # a rig has no use for the rest


def test_pictures_arrays_and_skeletons_are_read_as_they_are(tmp_path):
    (tmp_path / "a.png").write_bytes(png_bytes(PICTURE))
    np.save(tmp_path / "clicks.npy", np.array([[1.0, 2.0, 1.0]], np.float32))
    np.savez(tmp_path / "arrays.npz", joint_heads=np.zeros((2, 3), np.float32), other=np.zeros(3))
    found = load_inputs("segment", {"picture": str(tmp_path / "a.png"), "clicks": str(tmp_path / "clicks.npy")})
    assert found["picture"].tobytes() == png_bytes(PICTURE) and found["clicks"].tolist() == [[1.0, 2.0, 1.0]]
    assert set(load_inputs("animate", {"skeleton": str(tmp_path / "arrays.npz")})) == {"joint_heads"}
    for name, words in (("clicks", "is not a .npy"), ("object", "no Blender")):
        with pytest.raises(BadRequest, match=words):
            load_inputs("segment", {name: str(tmp_path / "a.png")})
    with pytest.raises(BadRequest, match="cannot be read as arrays"):
        load_inputs("animate", {"skeleton": str(tmp_path / "a.png")})


def test_what_a_row_must_bring_is_checked_before_it_runs(tmp_path):
    with pytest.raises(BadRequest, match="need vertices and faces") as problem:
        inputs.read("texture", None)
    assert "mesh: FILE" in problem.value.hint
    assert inputs.read("texture", "mesh=a.glb; keep=k.png") == {"mesh": "a.glb", "keep": "k.png"}
    assert inputs.read("texture", {"object": "Chair"}) == {"object": "Chair"}
    for given, words in (({"wings": "a"}, "no input called wings"), (["a"], "names with"), ({"mesh": 3}, "names with")):
        with pytest.raises(BadRequest, match=words):
            inputs.read("texture", given)
    with pytest.raises(BadRequest, match="nowhere.glb cannot be read"):
        inputs.located({"mesh": "nowhere.glb"}, tmp_path)
    (tmp_path / "a.png").write_bytes(b"one")
    found, stamp = inputs.located({"picture": "a.png"}, tmp_path)
    assert found == {"picture": str(tmp_path / "a.png")}
    (tmp_path / "a.png").write_bytes(b"two")
    assert inputs.located({"picture": "a.png"}, tmp_path)[1] != stamp


def test_a_new_texture_goes_back_onto_the_mesh_that_went_in(tmp_path, box):
    _, mesh = box
    other = 255 - PICTURE
    given = {"vertices": mesh.vertices, "faces": mesh.faces, "uvs": mesh.uvs}
    result = Result({"base_colour": np.frombuffer(png_bytes(other), np.uint8),
                     "face_origin": np.arange(12, dtype=np.int32)}, {"seed": 1})
    assert write_files(tmp_path, result, {"seconds": 2.0}, given) == [
        "model.glb", "base_colour.png", "arrays.npz", "report.json"]
    again, picture = read_mesh(tmp_path / "model.glb")
    assert len(again.faces) == 12 and picture is not None and np.array_equal(picture, other)
    with np.load(tmp_path / "arrays.npz") as stored:
        assert stored.files == ["face_origin"]
    assert json.loads((tmp_path / "report.json").read_text()) == {"seed": 1, "seconds": 2.0}


def test_variations_get_a_folder_each(tmp_path, box):
    _, mesh = box
    arrays = {f"v{index}_{name}": array for index in range(2)
              for name, array in (("vertices", mesh.vertices + index), ("faces", mesh.faces), ("uvs", mesh.uvs))}
    result = Result(arrays, {"variations": [{"seed": 4}, {"seed": 5}]})
    assert write_files(tmp_path, result, {}) == ["1/model.glb", "1/report.json", "2/model.glb", "2/report.json",
                                                "report.json"]
    assert json.loads((tmp_path / "2" / "report.json").read_text())["seed"] == 5
    assert read_mesh(tmp_path / "2" / "model.glb")[0].vertices.min() == pytest.approx(0.5)


def test_make_with_a_hub_of_its_own(tmp_path, box):
    path, _ = box
    out = tmp_path / "out"
    said = maquette("make", "texture", "--mesh", str(path), "--set", "prompt=steps=3", "--set", "seed=6", "--blend",
                    "--out", str(out), data=tmp_path)
    assert said.returncode == 0, said.stderr
    assert json.loads((out / "report.json").read_text())["seed"] == 6
    assert (out / "model.glb").read_bytes()[:4] == b"glTF"
    assert (out / "scene.blend").stat().st_size > 1000 and "scene.blend" in said.stdout

    said = maquette("again", str(out / "report.json"), "--set", "prompt=steps=2", "--out", str(tmp_path / "more"),
                    data=tmp_path, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    kind, settings, files = read_request(tmp_path / "more")
    assert (kind, settings["seed"], settings["prompt"], files) == ("texture", 6, "steps=2", {"mesh": str(path)})
    said = maquette("again", str(path), "--out", "x", data=tmp_path, cwd=tmp_path)
    assert said.returncode == 2 and "cannot be read as a report" in said.stderr


@pytest.mark.parametrize("spec", [
    TextTo3DSpec("1984", seed=None, size_metres=0.3, name="true"),
    AnimateSpec("bows = low", seed=1, mirror=True, seconds=2.5),
])
def test_what_a_report_says_asks_for_the_same(tmp_path, spec):
    report = {"seed": 5, "request": request_of(spec, {})}
    (tmp_path / "report.json").write_text(json.dumps(report))
    kind, settings, _ = read_request(tmp_path)
    texts = dict(pair(f"{name}={text_of(value)}", "--set") for name, value in settings.items())
    given = {"skeleton": "a.npz"} if kind == "animate" else None
    assert manifest.single({**texts, "kind": kind, "inputs": given}).spec == replace(spec, seed=5)


@pytest.mark.parametrize(("arguments", "words"), [
    (["fly", "--out", "x"], "no kind of job called fly"),
    (["texture", "--set", "prompt=a", "--out", "x"], "Error: Jobs of the kind texture need vertices and faces"),
    (["texture", "--set", "prompt=a", "--out", "x"], "in the shell --input mesh=FILE"),
    (["rig", "--mesh", __file__, "--out", "x", "--timeout", "-3"], "--timeout"),
    (["texture", "--set", "promt=a", "--mesh", "a.glb", "--out", "x"], "Is prompt meant?"),
    (["texture", "--set", "prompt=a", "--mesh", "a.glb", "--out", "x"], "a.glb cannot be read"),
    (["texture", "--set", "prompt", "--out", "x"], "NAME=VALUE"),
    (["avatar"], "--out"),
])
def test_bad_input_is_refused_before_anything_starts(tmp_path, arguments, words):
    said = maquette("make", *arguments, data=tmp_path, cwd=tmp_path)
    assert said.returncode == 2 and words in said.stderr and "Traceback" not in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_kind_explains_itself():
    for kind, spec in KINDS.items():
        said = CliRunner().invoke(group, ["make", kind, "--explain"])
        assert said.exit_code == 0 and "Settings:" in said.output
        assert all(one.name in said.output for one in spec.INPUTS)
