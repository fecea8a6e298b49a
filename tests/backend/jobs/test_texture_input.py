# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes as people have them: what can be painted on is, what cannot is refused with advice."""

from pathlib import Path

import numpy as np
import pytest

from backend.jobs.context import TerminalContext
from backend.jobs.previews import png
from backend.jobs.prompt import Notes
from backend.jobs.texture_input import read_input, uv_problem
from protocol.errors import BadRequest
from protocol.specs import TextureSpec
from tests.backend.texturing.shapes import sphere_with_uvs


@pytest.fixture(scope="module")
def ball() -> dict[str, np.ndarray]:
    mesh = sphere_with_uvs(around=16, along=8)
    assert mesh.uvs is not None
    return {"vertices": mesh.vertices * 3 + 5, "faces": mesh.faces, "uvs": mesh.uvs}


def read(tmp_path: Path, inputs: dict[str, np.ndarray], **fields: object):
    notes = Notes(TerminalContext(tmp_path))
    return read_input(TextureSpec("a ball", **fields), inputs, 128, notes), notes.warnings  # type: ignore[arg-type]


def test_a_good_mesh_keeps_its_uvs(ball, tmp_path):
    given, warnings = read(tmp_path, ball)
    assert not given.new_uvs and not given.two_sided and given.size == 128 and warnings == []
    assert np.array_equal(given.mesh.uvs, ball["uvs"])
    assert np.abs(given.mesh.vertices).max() <= 0.9 + 1e-5


def test_a_mesh_without_uvs_gets_new_ones(ball, tmp_path):
    bare = {name: ball[name] for name in ("vertices", "faces")}
    given, warnings = read(tmp_path, bare)
    assert given.new_uvs and uv_problem(given.mesh) is None and "no UVs" in warnings[0]
    with pytest.raises(BadRequest, match="no UVs") as caught:
        read(tmp_path, bare, uvs="given")
    assert "auto" in caught.value.hint


@pytest.mark.parametrize(("change", "words"), [
    (lambda uv: np.concatenate([uv[: len(uv) // 2], uv[: len(uv) - len(uv) // 2]]), "overlap"),
    (lambda uv: uv + np.float32([[1, 0]]) * (np.arange(len(uv)) // 3 % 2)[:, None].astype(np.float32), "UDIM"),
    (lambda uv: uv * np.float32(1.5), "outside|UDIM"),
    (lambda uv: np.where(np.arange(len(uv))[:, None] == 7, np.float32(np.nan), uv), "not finite"),
    (lambda uv: uv * 0, "cover nothing"),
])
def test_uvs_that_cannot_be_painted_on_are_left_alone(ball, tmp_path, change, words):
    inputs = {**ball, "uvs": np.ascontiguousarray(change(ball["uvs"]), np.float32)}
    with pytest.raises(BadRequest, match=words):
        read(tmp_path, inputs, uvs="given")
    given, warnings = read(tmp_path, inputs)
    assert given.new_uvs and uv_problem(given.mesh) is None and any("New UVs" in one for one in warnings)


def test_mirrored_uvs_are_fine(ball, tmp_path):
    given, warnings = read(tmp_path, {**ball, "uvs": np.float32([1, 0]) + ball["uvs"] * np.float32([-1, 1])})
    assert not given.new_uvs and warnings == []


def test_open_flat_and_inward_meshes_are_said_and_painted(ball, tmp_path):
    open_, warnings = read(tmp_path, {**ball, "faces": ball["faces"][:-3], "uvs": ball["uvs"][:-9]})
    assert open_.two_sided and "not closed" in warnings[0]
    inward, warnings = read(tmp_path, {"vertices": ball["vertices"], "faces": ball["faces"][:, ::-1].copy()})
    assert inward.two_sided and "wound inwards" in warnings[0]
    faces = np.concatenate([ball["faces"], np.int32([[0, 0, 1]])])
    _, warnings = read(tmp_path, {"vertices": ball["vertices"], "faces": faces})
    assert "1 faces have no area" in warnings[0]


@pytest.mark.parametrize(("change", "path"), [
    ({"faces": np.int32([[0, 1, 9999]])}, "inputs.vertices"),
    ({"vertices": np.full((200, 3), np.nan, np.float32)}, "inputs.vertices"),
    ({"faces": np.int32([[0, 0, 0]])}, "inputs.faces"),
    ({"uvs": np.zeros((4, 2), np.float32)}, "inputs.uvs"),
    ({"base_colour": np.zeros(30, np.uint8)}, "inputs.base_colour"),
    ({"keep": png(np.zeros((64, 64), np.uint8))}, "inputs.keep"),
])
def test_nonsense_is_refused_by_name(ball, tmp_path, change, path):
    inputs = {**ball, **change}
    if "faces" in change:
        inputs.pop("uvs")
    with pytest.raises(BadRequest) as caught:
        read(tmp_path, inputs)
    assert caught.value.path == path


def test_pictures_to_paint_upon(ball, tmp_path):
    picture = png(np.full((64, 64, 3), 200, np.uint8))
    keep = np.zeros((64, 64), np.uint8)
    keep[:8] = 255
    given, _ = read(tmp_path, {**ball, "base_colour": picture, "keep": png(keep)})
    assert given.ground is not None and given.size == 64 and given.ground.keep.sum() == 8 * 64
    with pytest.raises(BadRequest, match="must match"):
        read(tmp_path, {**ball, "base_colour": picture, "keep": png(keep[:32])})
    with pytest.raises(BadRequest, match="must be the same"):
        read(tmp_path, {**ball, "base_colour": picture, "keep": png(keep)}, texture_size=128)
    with pytest.raises(BadRequest, match="own UVs"):
        read(tmp_path, {**ball, "base_colour": picture, "keep": png(keep)}, uvs="new")
    fresh, warnings = read(tmp_path, {**ball, "base_colour": picture}, uvs="new")
    assert fresh.ground is None and "other UVs" in warnings[-1]


def test_cameras_that_cannot_be(ball, tmp_path):
    with pytest.raises(BadRequest, match="none came in"):
        read(tmp_path, ball, rig="cameras")
    poses, angles = np.eye(4, dtype=np.float32)[None], np.float32([0.7])
    given, _ = read(tmp_path, {**ball, "cameras": poses, "fields_of_view": angles}, rig="cameras")
    assert given.cameras is not None and len(given.cameras) == 1
    for bad in (poses * 2, poses * np.float32(np.nan)):
        with pytest.raises(BadRequest, match="rotation"):
            read(tmp_path, {**ball, "cameras": bad, "fields_of_view": angles}, rig="cameras")
    with pytest.raises(BadRequest, match="fields of view"):
        read(tmp_path, {**ball, "cameras": poses, "fields_of_view": np.float32([0.7, 0.7])}, rig="cameras")
