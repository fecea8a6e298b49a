# SPDX-License-Identifier: GPL-3.0-or-later
"""The texture recipe with the embedded prior on a small mesh: both engines, every rig, cancelling, same bits."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from backend.jobs import TerminalContext, presets, run
from backend.jobs.guide import Voice
from backend.jobs.paint import PAINTER, passes_of
from backend.jobs.previews import png
from backend.jobs.prompt import Notes
from backend.jobs.texture import rig_of
from backend.jobs.texture_input import read_input
from backend.priors import embedded
from backend.priors.base import PriorTraits
from backend.priors.prompts import PromptBook
from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser
from protocol.errors import BadRequest, Cancelled
from protocol.specs import TextureSpec
from tests.backend.texturing.shapes import sphere_with_uvs

CACHE: dict[str, object] = {}


@pytest.fixture(scope="module")
def ball() -> dict[str, np.ndarray]:
    torch.set_num_threads(1)
    mesh = sphere_with_uvs(around=16, along=8)
    assert mesh.uvs is not None
    return {"vertices": mesh.vertices, "faces": mesh.faces, "uvs": mesh.uvs}


def job(tmp_path: Path, inputs: dict[str, np.ndarray], cancel_when=lambda context: False, prompt: str = "a red ball",
        **fields: object):
    spec = TextureSpec(prompt, **{"seed": 1, "effort": 0.01, "texture_size": 64, "views": 3, **fields})
    context = TerminalContext(tmp_path, cache=CACHE, inputs=inputs, cancel_when=cancel_when)
    return run(spec, context), context


def picture(result) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(result.arrays["base_colour"].tobytes())).convert("RGB"))


def test_views_paint_a_texture(ball, tmp_path):
    result, context = job(tmp_path, ball)
    assert picture(result).shape == (64, 64, 3) and set(result.arrays) == {"base_colour", "thumbnail"}
    report = result.report
    assert report["uv_layer"] == "given" and report["paint"]["views"] == 4 and report["paint"]["seen"] > 0.6
    assert [stage["name"] for stage in report["stages"]] == ["read the mesh", "read the prompt", "paint", "deliver"]
    again, _ = job(tmp_path, ball)
    assert np.array_equal(again.arrays["base_colour"], result.arrays["base_colour"])
    assert context.images and context.images[0].shape == (64, 64, 3)  # four views of the 32 px prior
    fractions = [fraction for _, fraction in context.stages]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


@pytest.mark.parametrize(("strength", "levels"), [(1.0, [1.0, 0.3]), (0.6, [0.6, 0.3]), (0.3, [0.3]), (0.1, [0.1])])
def test_the_painting_prior_goes_over_what_stays_in_large_pictures_only(strength, levels):
    prior = embedded.load(embedded.WEIGHTS_FOLDER / "painter")
    voice = Voice(prior, PromptBook(prior, "a red gear wheel"))
    passes = passes_of(voice, voice, presets.find("draft").paint, strength)
    assert [one.denoising.begin for one in passes] == levels
    assert [one.prior.traits.resolution for one in passes] == [64, 128][-len(levels):]


def test_what_the_prior_was_never_taught_is_painted_by_the_painting_prior(ball, tmp_path):
    known, _ = job(tmp_path, ball)
    assert known.report["paint"]["priors"] == ["embedded pixel", "embedded latent"]
    result, context = job(tmp_path, ball, prompt="a red gear wheel")
    assert result.report["paint"]["priors"] == ["embedded painter"] * len(PAINTER)
    side = 2 * PAINTER[0][0]
    assert context.images and context.images[0].shape == (side, side, 3)


def test_a_mesh_without_uvs_comes_back_with_some(ball, tmp_path):
    result, _ = job(tmp_path, {name: ball[name] for name in ("vertices", "faces")})
    assert result.arrays["uvs"].shape == (3 * len(ball["faces"]), 2) and result.report["uv_layer"] == "new"


def test_distillation_makes_one_too_and_keeps_what_it_must(ball, tmp_path):
    old = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    keep = np.zeros((64, 64), np.uint8)
    keep[:20] = 255
    files = {"base_colour": png(old), "keep": png(keep)}
    for engine in ("distillation", "views"):
        result, _ = job(tmp_path, {**ball, **files}, engine=engine, strength=0.6)
        made = picture(result)
        assert np.array_equal(made[:20], old[:20]) and not np.array_equal(made[20:], old[20:]), engine


def test_rigs(ball, tmp_path):
    cameras = orbit_degrees([0, 120, 240], 10.0)
    given = {**ball, "cameras": cameras.camera_to_world.numpy(), "fields_of_view": cameras.fov_y.numpy()}
    assert job(tmp_path, given, rig="cameras")[0].report["paint"]["views"] == 3
    assert job(tmp_path, ball, rig="coverage", at_once=1)[0].report["paint"]["views"] == 3
    away = given["cameras"].copy()
    away[:, :3, [0, 2]] *= -1
    with pytest.raises(BadRequest, match="None of the cameras sees") as caught:
        job(tmp_path, {**given, "cameras": away}, rig="cameras")
    assert "turntable" in caught.value.hint


def test_cancelling(ball, tmp_path):
    for engine in ("views", "distillation"):
        with pytest.raises(Cancelled):
            job(tmp_path, ball, engine=engine,
                cancel_when=lambda context: sum(stage == "paint" for stage, _ in context.stages) > 2)


def test_a_prior_of_several_views_gets_whole_batches(ball, tmp_path):
    notes = Notes(TerminalContext(tmp_path))
    given = read_input(TextureSpec("a ball"), ball, 64, notes)
    traits = PriorTraits("four", "1", 32, "rgb", (3, 32, 32), views_together=4)
    voice = Voice(SimpleNamespace(traits=traits, device=torch.device("cpu")), None)  # type: ignore[arg-type]
    for rig in ("turntable", "coverage"):
        spec = TextureSpec("a ball", rig=rig, views=6)
        assert len(rig_of(spec, presets.DRAFT, given, (voice, voice), WarpRasteriser())) == 8
