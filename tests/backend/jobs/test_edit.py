# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits, shortened: what stays to the last bit, where the result stands, how far it may go, stopping and going on."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.fields.radiance import RadianceConfig, RadianceField
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureConfig, TextureField
from backend.geometry.bake import bake, to_bytes
from backend.geometry.health import check
from backend.jobs import TerminalContext, presets, run
from backend.jobs.coarse import hash_grid_config
from backend.jobs.edit_input import read_edit
from backend.jobs.edit_stage import Leash, LeashedSurface, take_on_colours, take_on_shape
from backend.jobs.previews import png
from backend.jobs.prompt import Notes
from protocol.errors import BadRequest, Cancelled
from protocol.specs import EditSpec
from tests.backend.texturing.shapes import sphere_with_uvs

CACHE: dict[str, object] = {}
RED, BLUE = np.array([0.8, 0.0, 0.0]), np.array([0.0, 0.0, 0.8])
CENTRE, SCALE = np.array([3.0, -2.0, 1.5], np.float32), 0.2
GRID = presets.HashGridSize(levels=4, log2_entries=12, base=4, finest=24, hidden=16)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def ball() -> dict[str, np.ndarray]:
    """A small ball far from the origin, red above and blue below."""
    mesh = sphere_with_uvs(around=24, along=12)
    assert mesh.uvs is not None
    picture = to_bytes(bake(mesh, lambda points: np.where(points[:, 2:] > 0, RED, BLUE), 64).image)
    return {"vertices": mesh.vertices * SCALE + CENTRE, "faces": mesh.faces, "uvs": mesh.uvs,
            "base_colour": png(picture)}


@pytest.fixture(scope="module", autouse=True)
def small_grid():
    """A grid and fields that are enough for a ball."""
    with pytest.MonkeyPatch.context() as patch:
        edit = replace(presets.DRAFT.edit, tetrahedra=24, begin_steps=40)
        patch.setitem(presets.PRESETS, "draft", replace(presets.DRAFT, edit=edit))
        yield


def at(stage: str):
    """Whether a context has reached a stage."""
    return lambda context: bool(context.stages) and context.stages[-1][0] == stage


def job(folder: Path, inputs: dict[str, np.ndarray], **fields: object):
    cancel = fields.pop("cancel_when", lambda context: False)
    spec = EditSpec(**{"prompt": "a green apple", "seed": 1, "effort": 0.02, "texture_size": 64, **fields})
    context = TerminalContext(folder, cache=CACHE, inputs=inputs, cancel_when=cancel)
    return run(spec, context), context


def test_texture_only_leaves_the_mesh_to_the_last_bit(ball, tmp_path):
    result, context = job(tmp_path, ball, reshape=0)
    for name in ("vertices", "faces", "uvs"):
        assert np.array_equal(result.arrays[name], ball[name]), name
    assert set(result.arrays) == {"vertices", "faces", "uvs", "normals", "edges", "corner_edges", "base_colour",
                                  "thumbnail"}
    old, new = (np.asarray(Image.open(io.BytesIO(one["base_colour"].tobytes()))) for one in (ball, result.arrays))
    assert new.shape == (64, 64, 3) and not np.array_equal(old, new)
    assert result.report["scores"]["moved"] == 0 and result.report["uv_layer"] == "given"
    fractions = [fraction for _, fraction in context.stages]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


@pytest.fixture(scope="module")
def reshaped(ball, tmp_path_factory):
    torch.set_num_threads(1)
    return job(tmp_path_factory.mktemp("edit"), ball, reshape=0.3)


def test_a_reshaped_mesh_is_sound_and_stands_where_it_stood(ball, reshaped):
    arrays, report = reshaped[0].arrays, reshaped[0].report
    assert check(arrays["vertices"], arrays["faces"]).sound
    for side in ("min", "max"):
        old, new = (getattr(one["vertices"], side)(0) for one in (ball, arrays))
        assert np.abs(old - new).max() < 0.04 * SCALE
    assert 0 < report["scores"]["moved"] < 0.01 and report["reshape"] == 0.3
    assert [stage["name"] for stage in report["stages"]] == [
        "read the mesh", "read the prompt", "take on the mesh", "fine", "finish", "paint", "deliver",
    ]
    assert all(np.abs(vertices.mean(0) - CENTRE).max() < 0.1 for vertices, _, _ in reshaped[1].meshes)


def test_stopped_and_gone_on_it_ends_with_the_same_mesh(ball, reshaped, tmp_path, monkeypatch):
    monkeypatch.setattr("backend.jobs.keeper.CHECKPOINT_EVERY", 0.0)
    with pytest.raises(Cancelled):
        job(tmp_path, ball, reshape=0.3, cancel_when=at("finish"))
    result, context = job(tmp_path, ball, reshape=0.3)
    assert "fine" in (context.load_checkpoint() or {})
    for name in ("vertices", "base_colour"):
        assert np.array_equal(result.arrays[name], reshaped[0].arrays[name]), name


def test_reshaped_freely_the_coarse_stage_runs_again(ball, tmp_path):
    result, context = job(tmp_path, ball, reshape=1)
    assert {"coarse", "carry over", "fine"} <= {stage for stage, _ in context.stages}
    assert check(result.arrays["vertices"], result.arrays["faces"]).sound
    assert np.abs(result.arrays["vertices"].mean(0) - CENTRE).max() < 0.5 * SCALE
    with pytest.raises(Cancelled):
        job(tmp_path / "other", ball, reshape=1, cancel_when=at("coarse"))


def test_any_mesh_will_do_and_the_colours_are_where_they_were(ball, tmp_path):
    notes = Notes(TerminalContext(tmp_path))
    given = read_edit(ball, notes)
    points, colours = given.colours(np.random.default_rng(0))
    upper, lower = points[:, 2] > 0.1, points[:, 2] < -0.1
    assert np.allclose(colours[upper], RED, atol=0.01) and np.allclose(colours[lower], BLUE, atol=0.01)
    assert np.linalg.norm(points, axis=1).max() == pytest.approx(0.9, rel=0.01)
    tiled = {**ball, "uvs": ball["uvs"] + 3.0}  # on another tile, a picture repeats
    again = read_edit(tiled, notes).colours(np.random.default_rng(0))[1]
    assert np.abs(again - colours).mean() < 1e-3
    bare = {name: ball[name] for name in ("vertices", "faces")}
    assert np.ptp(read_edit(bare, notes).colours(np.random.default_rng(0))[1]) == 0
    opened = {**bare, "faces": ball["faces"][::2]}
    read_edit(opened, notes)
    read_edit({**bare, "base_colour": ball["base_colour"]}, notes)
    assert any("open" in text for text in notes.warnings) and any("without UVs" in text for text in notes.warnings)
    with pytest.raises(BadRequest):
        read_edit({"vertices": np.zeros((3, 3), np.float32), "faces": np.array([[0, 1, 2]], np.int32)}, notes)


def start() -> TetrahedralSDF:
    return TetrahedralSDF.from_distance(lambda points: points.norm(dim=1) - 0.6, 16, (-0.9,) * 3, (0.9,) * 3, band=0.5)


def test_a_carried_over_distance_is_the_shape():
    vertices, _ = start().surface()
    assert (vertices.norm(dim=1) - 0.6).abs().max() < 0.02


@pytest.mark.parametrize("reshape", [0.1, 0.5, 0.9])
def test_a_leash_holds(reshape):
    leash = Leash.of(reshape)
    surface = LeashedSurface(start(), leash)
    assert torch.equal(surface.sdf, surface.start.sdf)
    vertices, _ = surface.surface()
    vertices.square().sum().backward()
    assert surface.change.grad is not None and surface.change.grad.abs().sum() > 0
    with torch.no_grad():
        surface.change.fill_(-1e3)
    moved, _ = surface.surface()
    assert (moved.norm(dim=1) - 0.6).abs().max() < leash.reach + 0.02
    with torch.no_grad():  # a corner of the lattice moves its surroundings and nothing else
        surface.change.zero_()
        surface.change[0, 0, :3, :3, :3] = -1.0
    assert surface.moved.min() < 0 and (surface.moved == 0).float().mean() > 0.3


def test_leashes_lengthen():
    leashes = [Leash.of(0.1 * tenth) for tenth in range(1, 10)]
    for name, sign in (("reach", 1), ("cells", 1), ("noise", 1), ("pull", -1)):
        values = [sign * getattr(one, name) for one in leashes]
        assert values == sorted(values), name
    for outside in (0.0, 1.0):
        with pytest.raises(ValueError):
            Leash.of(outside)


def test_fields_take_on_what_is_there():
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6000, 3))
    points = (0.6 * points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    colours = np.where(points[:, 2:] > 0, [[0.9, 0.1, 0.1]], [[0.1, 0.1, 0.9]]).astype(np.float32)
    heard: list[float] = []
    config = hash_grid_config(GRID)
    texture = TextureField(TextureConfig(config, GRID.hidden), generator)
    take_on_colours(texture, points, colours, 120, generator, lambda share, _: heard.append(share))
    clear = np.abs(points[:, 2]) > 0.1
    assert np.abs(texture.colour(torch.from_numpy(points)).detach().numpy() - colours)[clear].mean() < 0.05
    assert heard == sorted(heard) and len(heard) == 12
    field = RadianceField(RadianceConfig(config, GRID.hidden), generator)
    take_on_shape(field, lambda places: places.norm(dim=1) - 0.6, points, colours, 200, generator, lambda *_: None)
    places = torch.rand(4000, 3, generator=generator) * 2 - 1
    with torch.no_grad():
        level, truth = field.level(places), places.norm(dim=1) - 0.6
    clear_of_it = truth.abs() > 0.08
    assert ((level > 0) == (truth < 0))[clear_of_it].float().mean() > 0.99


def test_cancelling_while_it_takes_the_mesh_on(ball, tmp_path):
    with pytest.raises(Cancelled):
        job(tmp_path, ball, cancel_when=at("take on the mesh"))
