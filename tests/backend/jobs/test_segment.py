# SPDX-License-Identifier: GPL-3.0-or-later
"""The segment recipe: pictures by clicks, meshes by ids, by their surface and by lifted masks, and clear answers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from skimage.measure import marching_cubes

from backend.jobs import TerminalContext, run
from backend.jobs.previews import png
from backend.render.cameras import DEFAULT_FOV, orbit_degrees
from protocol.arrays import Descriptor
from protocol.errors import BadRequest
from protocol.specs import SegmentSpec, spec_from_map

torch.set_num_threads(1)
SIZE = 128


def job(tmp_path: Path, inputs, **fields):
    context = TerminalContext(tmp_path, inputs=inputs)
    return run(SegmentSpec(**fields), context), context


def mask_of(result):
    return np.asarray(Image.open(io.BytesIO(result.arrays["mask"].tobytes()))) > 127


def clicks(*rows):
    return np.array(rows, np.float32)


def overlap(one, two):
    return (one & two).sum() / (one | two).sum()


def disc_picture():
    """A red disc with a white bar before a green wall that fades, and where the disc is."""
    y, x = np.indices((96, SIZE))
    inside = (x - 80) ** 2 + (y - 50) ** 2 < 30**2
    picture = np.stack([30 + 0 * x, 90 + x // 2, 60 + y // 3], 2)
    picture[inside] = (200, 30, 40)
    picture[inside & (np.abs(y - 62) < 5)] = (240, 240, 230)
    noise = np.random.default_rng(0).integers(-6, 7, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), inside


def balls():
    """Two balls, the right one in front, and a camera that sees both; the mesh's faces of either."""
    shape = trimesh.creation.icosphere(3)
    left = shape.vertices * 0.4 + np.array([-0.3, 0.3, 0])
    right = shape.vertices * 0.4 + np.array([0.3, -0.3, 0])
    vertices = np.concatenate((left, right)).astype(np.float32)
    faces = np.concatenate((shape.faces, shape.faces + len(left))).astype(np.int32)
    return vertices, faces, np.repeat([0, 1], len(shape.faces))


def seen_from(*azimuths, elevation=10.0):
    cameras = orbit_degrees(list(azimuths), elevation, SIZE)
    return {"cameras": cameras.camera_to_world.numpy(),
            "fields_of_view": np.full(len(azimuths), DEFAULT_FOV, np.float32)}


def mushroom():
    """A ball on a stem, one closed surface: (vertices, faces, which faces are the ball's)."""
    axis = np.linspace(-1.1, 1.1, 56)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    ball = np.sqrt(x**2 + y**2 + (z - 0.45) ** 2) - 0.42
    rod = np.maximum(np.sqrt(x**2 + y**2) - 0.16, np.abs(z + 0.35) - 0.5)
    vertices, faces, _, _ = marching_cubes(np.minimum(ball, rod), 0.0, spacing=(2.2 / 55,) * 3,
                                           gradient_direction="descent")
    vertices = (vertices - 1.1).astype(np.float32)
    middle = vertices[faces].mean(1)
    away = np.linalg.norm(middle - np.array([0, 0, 0.45]), axis=1)
    return vertices, faces.astype(np.int32), np.abs(away - 0.42) < 0.03


def test_clicks_on_a_picture_give_its_mask(tmp_path):
    picture, truth = disc_picture()
    result, context = job(tmp_path, {"picture": png(picture), "clicks": clicks([80, 40, 1], [80, 62, 1])})
    mask = mask_of(result)
    assert mask.shape == truth.shape and overlap(mask, truth) > 0.95
    assert set(result.arrays) == {"mask", "thumbnail"} and "embedded" in result.report["segmenter"]
    wider = mask_of(job(tmp_path, {"picture": png(picture), "clicks": clicks([80, 40, 1], [80, 62, 1])}, grow=3)[0])
    assert (wider & mask).sum() == mask.sum() and wider.sum() > mask.sum()
    assert context.stages[-1] == ("done", 1.0)


def test_a_click_outside_takes_away_what_one_inside_brought(tmp_path):
    picture, truth = disc_picture()
    bar = truth & (np.abs(np.indices(truth.shape)[0] - 62) < 5)
    alone = mask_of(job(tmp_path, {"picture": png(picture), "clicks": clicks([80, 62, 1], [80, 40, 0])})[0])
    assert overlap(alone, bar) > 0.6 and not alone[20:50, 70:90].any()


def test_a_click_on_a_mesh_takes_the_whole_object_exactly(tmp_path):
    vertices, faces, owner = balls()
    given = {"vertices": vertices, "faces": faces, **seen_from(0.0)}
    for who, x in ((0, 40), (1, 88)):
        result, _ = job(tmp_path, given | {"clicks": clicks([x, 64, 1])}, width=SIZE, height=SIZE)
        assert (result.arrays["selected"] == (owner == who)).all() and result.report["by"] == "object"
        assert mask_of(result)[64, x] and not mask_of(result)[64, SIZE - x]
    both = job(tmp_path, given | {"clicks": clicks([40, 64, 1], [88, 64, 1])}, width=SIZE, height=SIZE)[0]
    assert both.arrays["selected"].all() and any("Every face" in one for one in both.report["warnings"])
    joined = given | {"objects": np.zeros(len(faces), np.int32), "clicks": clicks([40, 64, 1])}
    assert job(tmp_path, joined, width=SIZE, height=SIZE, by="object")[0].arrays["selected"].all()


def test_a_click_takes_a_piece_of_one_surface_all_around(tmp_path):
    vertices, faces, ball = mushroom()
    given = {"vertices": vertices, "faces": faces, **seen_from(0.0), "clicks": clicks([64, 40, 1])}
    result, _ = job(tmp_path, given, width=SIZE, height=SIZE)
    assert result.report["by"] == "surface" and overlap(result.arrays["selected"] > 0, ball) > 0.9
    given["clicks"] = clicks([64, 110, 1], [64, 40, 0])
    stem = job(tmp_path, given, width=SIZE, height=SIZE)[0].arrays["selected"] > 0
    assert overlap(stem, ~ball) > 0.8 and not (stem & ball).sum() > 0.05 * ball.sum()


def test_a_mask_is_lifted_to_the_faces_and_their_backs(tmp_path):
    vertices, faces, owner = balls()
    given = {"vertices": vertices, "faces": faces, **seen_from(0.0), "clicks": clicks([88, 64, 1])}
    mask = job(tmp_path, given, width=SIZE, height=SIZE)[0].arrays["mask"]
    lifted = job(tmp_path, {**{k: v for k, v in given.items() if k != "clicks"}, "mask": mask})[0].arrays["selected"]
    assert overlap(lifted > 0, owner == 1) > 0.97


def test_pictures_of_several_cameras_vote(tmp_path):
    vertices, faces, owner = balls()
    uvs = np.where(np.repeat(owner, 3)[:, None] == 0, [0.25, 0.5], [0.75, 0.5]).astype(np.float32)
    texture = np.zeros((32, 32, 3), np.uint8)
    texture[:, :16], texture[:, 16:] = (220, 60, 30), (40, 80, 230)
    given = {"vertices": vertices, "faces": faces, "uvs": uvs, "base_colour": png(texture),
             **seen_from(0.0, 90.0, 180.0, 270.0), "clicks": clicks([88, 64, 1])}
    result, _ = job(tmp_path, given, width=SIZE, height=SIZE, by="picture")
    assert result.report["views"] >= 3 and overlap(result.arrays["selected"] > 0, owner == 1) > 0.95


def test_a_sam_folder_that_is_none_is_named(tmp_path):
    picture, _ = disc_picture()
    with pytest.raises(BadRequest, match="no folder") as caught:
        job(tmp_path, {"picture": png(picture), "clicks": clicks([80, 40, 1])}, segmenter=str(tmp_path / "nowhere"))
    assert caught.value.path == "segmenter"


@pytest.mark.parametrize(("rows", "words"), [
    ([[300, 20, 1]], "lies outside the picture of 128 x 96"),
    ([[-1, 20, 1]], "lies outside"),
    ([[20, 20, 0], [30, 20, 0]], "none says what is"),
    ([[np.nan, 20, 1]], "not a finite"),
    ([[20, 20, 2]], "1 for inside or 0"),
    ([[20, 20, 1], [20.5, 20.2, 0]], "both inside and outside"),
])
def test_bad_clicks_are_answered(tmp_path, rows, words):
    picture, _ = disc_picture()
    with pytest.raises(BadRequest, match=words) as caught:
        job(tmp_path, {"picture": png(picture), "clicks": clicks(*rows)})
    assert caught.value.path == "inputs.clicks"


def test_bad_meshes_and_views_are_answered(tmp_path):
    vertices, faces, _ = balls()
    given = {"vertices": vertices, "faces": faces, **seen_from(0.0), "clicks": clicks([64, 5, 1])}
    size = {"width": SIZE, "height": SIZE}
    with pytest.raises(BadRequest, match="hits nothing"):
        job(tmp_path, given, **size)
    with pytest.raises(BadRequest, match="both that it is meant"):
        job(tmp_path, given | {"clicks": clicks([40, 64, 1], [41, 70, 0])}, **size)
    with pytest.raises(BadRequest, match="without scale"):
        job(tmp_path, given | {"cameras": given["cameras"] * 2}, **size)
    with pytest.raises(BadRequest, match="object numbers"):
        job(tmp_path, given | {"objects": np.zeros(3, np.int32)}, **size)
    no_clicks = {name: value for name, value in given.items() if name != "clicks"}
    with pytest.raises(BadRequest, match="black everywhere"):
        job(tmp_path, no_clicks | {"mask": png(np.zeros((SIZE, SIZE), np.uint8))})
    away = orbit_degrees([0.0], 10.0, SIZE).camera_to_world.numpy().copy()
    away[:, :3, 2] *= -1
    away[:, :3, 0] *= -1
    with pytest.raises(BadRequest, match="sees nothing"):
        job(tmp_path, no_clicks | {"cameras": away, "mask": png(np.full((SIZE, SIZE), 255, np.uint8))})


def test_the_spec_survives_the_wire_and_says_what_is_missing():
    spec = SegmentSpec(by="surface", width=640, height=480, grow=2, name="Mug")
    assert spec_from_map("segment", spec.to_map()) == spec and spec.title == "Mug: select by clicks"
    for fields, path in (({"by": "magic"}, "by"), ({"width": 5}, "height"), ({"height": 5}, "width"),
                         ({"grow": 65}, "grow"), ({"segmenter": "\x00"}, "segmenter")):
        with pytest.raises(BadRequest) as caught:
            SegmentSpec(**fields)
        assert caught.value.path == path
    one = {name: Descriptor(name, dtype, shape, size, bytes(32)) for name, dtype, shape, size in (
        ("picture", "|u1", (9,), 9), ("mask", "|u1", (9,), 9), ("clicks", "<f4", (1, 3), 12),
        ("vertices", "<f4", (3, 3), 36), ("faces", "<i4", (1, 3), 12), ("cameras", "<f4", (1, 4, 4), 64),
        ("fields_of_view", "<f4", (1,), 4))}
    mesh = [one[name] for name in ("vertices", "faces", "cameras", "fields_of_view")]
    for given, path in (
        ([one["clicks"]], "inputs.picture"), ([one["picture"]], "inputs.clicks"),
        ([*mesh[:2], one["clicks"]], "inputs.cameras"), ([one["picture"], one["mask"]], "inputs.mask"),
        ([*mesh, one["clicks"]], "width"),
    ):
        with pytest.raises(BadRequest) as caught:
            SegmentSpec().check_inputs(given)
        assert caught.value.path == path
    SegmentSpec().check_inputs([one["picture"], one["clicks"]])
    spec.check_inputs([*mesh, one["clicks"]])
