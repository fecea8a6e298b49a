# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole jobs with rectified-flow transformers of random weights: every recipe takes them as it takes the others."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.geometry.health import check
from backend.jobs import MeshResult, TerminalContext, presets, run
from backend.jobs.guide import check_form
from backend.jobs.previews import png
from backend.jobs.prompt import load_prior
from backend.priors import flows
from protocol.errors import BadRequest
from protocol.specs import LearnSpec, TextTo3DSpec, TextureSpec
from tests.backend.priors.flow_folders import save_flux, save_stable_diffusion_3, save_z_image
from tests.backend.texturing.shapes import sphere_with_uvs

SAVE = {"sd3": save_stable_diffusion_3, "FLUX.1-schnell": save_flux, "z-image": save_z_image,
        "flux-dev": lambda folder: save_flux(folder, guidance_embeds=True)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("flows")
    for name, save in SAVE.items():
        save(root / name)
    return {name: root / name for name in SAVE}


@pytest.fixture(autouse=True)
def two_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coarse stage draws pictures of half the size, as it does with the real ones."""
    monkeypatch.setattr(flows, "COARSE_PIXELS", 16)


def painted(folder: Path, where: Path, **fields: object) -> tuple[MeshResult, np.ndarray]:
    mesh = sphere_with_uvs(around=12, along=6)
    assert mesh.uvs is not None
    inputs = {"vertices": mesh.vertices, "faces": mesh.faces, "uvs": mesh.uvs}
    spec = TextureSpec("a red cube", seed=1, effort=0.01, texture_size=64, views=3, prior=str(folder), **fields)
    result = run(spec, TerminalContext(where, inputs=inputs))
    return result, np.asarray(Image.open(io.BytesIO(result.arrays["base_colour"].tobytes())).convert("RGB"))


@pytest.mark.parametrize("name", ["sd3", "FLUX.1-schnell", "z-image"])
def test_views_paint_a_texture_at_both_sizes(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    result, picture = painted(folders[name], tmp_path / "one")
    assert picture.shape == (64, 64, 3) and picture.std() > 2
    assert result.report["prior"] == {"coarse": name, "fine": name}
    assert result.report["paint"]["priors"] == [name, name]  # 16 px, then 32 px, of one set of weights
    if name == "sd3":
        assert np.array_equal(painted(folders[name], tmp_path / "again")[1], picture)


def test_distillation_colours_a_mesh(folders: dict[str, Path], tmp_path: Path) -> None:
    _, picture = painted(folders["flux-dev"], tmp_path, engine="distillation")
    assert picture.shape == (64, 64, 3)


def test_text_to_3d_from_a_flow(folders: dict[str, Path], tmp_path: Path) -> None:
    spec = TextTo3DSpec("a red cube", seed=3, effort=0.01, texture_size=64, prior=str(folders["z-image"]))
    result = run(spec, TerminalContext(tmp_path))
    assert check(result.arrays["vertices"], result.arrays["faces"]).sound
    assert result.report["prior"] == {"coarse": "z-image", "fine": "z-image"}


def test_what_a_flow_cannot_do_is_said_before_any_work(folders: dict[str, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = {f"picture_{n}": png(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for n in range(3)}
    with pytest.raises(BadRequest, match="cannot learn words"):
        run(LearnSpec("zorb", "cube", prior=str(folders["sd3"])), TerminalContext(tmp_path, inputs=pictures))
    few = load_prior(str(folders["FLUX.1-schnell"]), "fine", TerminalContext(tmp_path))
    settings = presets.DRAFT.coarse.guidance
    check_form(few, settings)
    for form in ("classifier", "noise_free"):
        with pytest.raises(BadRequest, match="distilled to a few steps"):
            check_form(few, dataclasses.replace(settings, form=form))
