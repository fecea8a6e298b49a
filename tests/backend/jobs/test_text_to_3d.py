# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole recipe with the shipped prior, shortened: what it delivers, that it repeats itself, stops and goes on."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.geometry.health import check
from backend.jobs import MeshResult, run
from backend.jobs.context import TerminalContext
from backend.jobs.previews import to_metres
from protocol.errors import Cancelled, EmptySurface, PriorNotFound
from protocol.specs import TextTo3DSpec

CACHE: dict[str, object] = {}  # priors are loaded once for this file, as a worker keeps them
SPEC = TextTo3DSpec("a red mushroom", seed=3, effort=0.03, texture_size=128, size_metres=0.25)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def context(folder: Path, **settings: object) -> TerminalContext:
    return TerminalContext(folder, cache=CACHE, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[MeshResult, TerminalContext]:
    torch.set_num_threads(1)
    where = context(tmp_path_factory.mktemp("job"))
    return run(SPEC, where), where


def test_the_mesh_is_sound_and_stands_in_metres(made: tuple[MeshResult, TerminalContext]) -> None:
    arrays = made[0].arrays
    vertices, faces = arrays["vertices"], arrays["faces"]
    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    assert check(vertices, faces).sound
    size = vertices.max(0) - vertices.min(0)
    assert size.max() == pytest.approx(0.25, rel=1e-5) and vertices[:, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert abs(vertices[:, :2].max(0) + vertices[:, :2].min(0)).max() < 1e-5
    assert arrays["uvs"].shape == (3 * len(faces), 2) and arrays["uvs"].min() >= 0 and arrays["uvs"].max() <= 1
    assert arrays["normals"].shape == vertices.shape
    # Euler's formula for closed triangle meshes: every face has three edges, every edge two faces.
    assert len(arrays["edges"]) * 2 == len(faces) * 3 and arrays["corner_edges"].max() < len(arrays["edges"])


def test_pictures_are_png_files(made: tuple[MeshResult, TerminalContext]) -> None:
    texture = Image.open(io.BytesIO(made[0].arrays["base_colour"].tobytes()))
    assert texture.format == "PNG" and texture.size == (128, 128)
    thumbnail = Image.open(io.BytesIO(made[0].arrays["thumbnail"].tobytes()))
    assert thumbnail.size == (256, 256) and thumbnail.mode == "RGBA"
    alpha = np.array(thumbnail)[..., 3]
    assert 0.02 < (alpha > 128).mean() < 0.95


def test_the_report_says_how(made: tuple[MeshResult, TerminalContext]) -> None:
    report = made[0].report
    assert report["seed"] == 3 and report["preset"] == "draft" and report["nearest_known"]["kind"] == "mushroom"
    assert [stage["name"] for stage in report["stages"]] == [
        "read the prompt", "coarse", "carry over", "fine", "finish", "paint", "deliver",
    ]
    assert report["prior"] == {"coarse": "embedded pixel", "fine": "embedded latent"}
    assert report["paint"]["views"] == 9 and report["paint"]["priors"] == ["embedded pixel", "embedded latent"]
    assert report["mesh"]["sound"] and report["uv"]["overlap_texels"] == 0
    fractions = [fraction for _, fraction in made[1].stages]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_the_same_seed_gives_the_same_bits(made: tuple[MeshResult, TerminalContext], tmp_path: Path) -> None:
    again = run(SPEC, context(tmp_path))
    for name, array in made[0].arrays.items():
        assert np.array_equal(array, again.arrays[name]), name


def test_cancelling_leaves_between_two_steps(tmp_path: Path) -> None:
    where = context(tmp_path, cancel_when=lambda now: len(now.stages) > 5)
    with pytest.raises(Cancelled):
        run(SPEC, where)
    assert where.stages[-1][0] == "coarse"


def test_a_job_goes_on_from_its_checkpoint(
    made: tuple[MeshResult, TerminalContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.jobs.keeper.CHECKPOINT_EVERY", 0.0)
    stopped = context(tmp_path, cancel_when=lambda now: len(now.stages) > 9)
    with pytest.raises(Cancelled):
        run(SPEC, stopped)
    steps_before = sum(stage == "coarse" for stage, _ in stopped.stages)
    goes_on = context(tmp_path)
    result = run(SPEC, goes_on)
    steps_after = sum(stage == "coarse" for stage, _ in goes_on.stages)
    assert steps_after < sum(stage == "coarse" for stage, _ in made[1].stages) and steps_before > 2
    # Nothing was drawn twice or left out: the resumed job ends with the very same mesh.
    for name in ("vertices", "base_colour"):
        assert np.array_equal(result.arrays[name], made[0].arrays[name]), name


def test_a_job_goes_on_in_the_fine_stage_and_ends_with_the_same_mesh(
    made: tuple[MeshResult, TerminalContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.jobs.keeper.CHECKPOINT_EVERY", 0.0)
    stopped = context(tmp_path, cancel_when=lambda now: sum(stage == "fine" for stage, _ in now.stages) > 4)
    with pytest.raises(Cancelled):
        run(SPEC, stopped)
    goes_on = context(tmp_path)
    result = run(SPEC, goes_on)
    fine = [sum(stage == "fine" for stage, _ in one.stages) for one in (made[1], goes_on)]
    assert fine[1] < fine[0]
    for name in ("vertices", "base_colour"):
        assert np.array_equal(result.arrays[name], made[0].arrays[name]), name


def test_an_unknown_thing_is_made_and_said(tmp_path: Path) -> None:
    where = context(tmp_path)
    report = run(TextTo3DSpec("a purple quarterly tax return", seed=1, effort=0.01, texture_size=64), where).report
    assert not report["nearest_known"]["sure"] and "nearest things it knows" in " ".join(report["warnings"])
    assert report["warnings"] == where.warnings


def test_a_prior_that_is_not_there_is_refused_before_any_work(tmp_path: Path) -> None:
    where = context(tmp_path)
    with pytest.raises(PriorNotFound, match="nowhere") as caught:
        run(TextTo3DSpec("a mug", prior=str(tmp_path / "nowhere")), where)
    assert "prior" in caught.value.hint and {stage for stage, _ in where.stages} == {"read the prompt"}


def test_an_empty_field_fails_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.fields.radiance.RadianceField.density", lambda self, points: points[:, 0] * 0.0)
    with pytest.raises(EmptySurface) as caught:
        run(SPEC, context(tmp_path))
    assert "seed" in caught.value.hint


def test_field_units_become_metres() -> None:
    box = np.array([[-0.5, -0.2, -0.3], [0.5, 0.4, 0.1]], np.float32)
    placed = to_metres(box, 2.0)
    assert np.allclose(placed, [[-1.0, -0.6, 0.0], [1.0, 0.6, 0.8]])
