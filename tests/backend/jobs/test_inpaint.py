# SPDX-License-Identifier: GPL-3.0-or-later
"""The inpaint recipe on a small mesh and a small picture: three verbs, every engine, and never a bit outside."""

import io
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from backend.geometry.bake import bake
from backend.jobs import TerminalContext, run
from backend.jobs.inpaint import composed
from backend.jobs.previews import png
from backend.render.cameras import orbit_degrees
from protocol.errors import BadRequest, Cancelled
from protocol.specs import InpaintSpec
from tests.backend.priors.conftest import encoder, public_folders  # noqa: F401
from tests.backend.texturing.shapes import sphere_with_uvs, wavy

CACHE: dict[str, object] = {}
SIZE = 64


@pytest.fixture(scope="module")
def ball():
    torch.set_num_threads(1)
    mesh = sphere_with_uvs(around=16, along=8)
    colours = (bake(mesh, wavy, SIZE).image * 255 + 0.5).astype(np.uint8)
    # Between the charts too, something is there that must stay.
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    texels = bake(mesh, wavy, SIZE).texels
    colours[~texels.mask] = noise[~texels.mask]
    front = mesh.vertices[mesh.faces].mean(1)[:, 1] < -0.45
    hole = np.zeros((SIZE, SIZE), bool)
    hole[texels.rows, texels.columns] = front[texels.face]
    inputs = {"vertices": mesh.vertices, "faces": mesh.faces, "uvs": mesh.uvs, "base_colour": png(colours),
              "selected": front.astype(np.uint8)}
    return inputs, colours, hole


@pytest.fixture(scope="module")
def drawing():
    rng = np.random.default_rng(3)
    picture = np.kron(rng.integers(0, 256, (6, 9, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    mask = np.zeros((48, 72), np.uint8)
    mask[12:30, 20:44] = 255
    return {"picture": png(picture), "mask": png(mask)}, picture, mask > 0


def job(folder, inputs, verb, prompt="", cancel_when=lambda context: False, **fields):
    spec = InpaintSpec(verb, prompt, **{"seed": 1, "effort": 0.01, "views": 1, "inpainter": "biharmonic", **fields})
    context = TerminalContext(folder, cache=CACHE, inputs=inputs, cancel_when=cancel_when)
    return run(spec, context), context


def opened(result, name="base_colour", mode="RGB"):
    return np.asarray(Image.open(io.BytesIO(result.arrays[name].tobytes())).convert(mode))


@pytest.mark.parametrize(("verb", "prompt", "engine"), [
    ("remove", "", "auto"), ("remove", "a blue ball", "views"), ("fill", "a red ball", "views"),
    ("replace", "a red ball", "views"), ("fill", "a red ball", "distillation"),
])
def test_no_texel_outside_changes_and_those_inside_do(ball, tmp_path, verb, prompt, engine):
    inputs, colours, hole = ball
    inpainter = "" if engine == "auto" else "biharmonic"
    result, context = job(tmp_path, inputs, verb, prompt, engine=engine, inpainter=inpainter)
    changed = ~hole if verb == "replace" else hole
    made = opened(result)
    assert np.array_equal(made[~changed], colours[~changed])
    assert (made[changed] != colours[changed]).any(1).mean() > 0.5
    report = result.report
    assert report["engine"] == ("classical" if engine == "auto" else engine) and report["verb"] == verb
    assert (report["prior"] is None) == (engine == "auto")
    names = [stage["name"] for stage in report["stages"]]
    assert names == ["read the selection", "read the prompt", "paint", "deliver"]
    json.dumps(report)
    fractions = [fraction for _, fraction in context.stages]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    again, _ = job(tmp_path, inputs, verb, prompt, engine=engine, inpainter=inpainter)
    assert np.array_equal(again.arrays["base_colour"], result.arrays["base_colour"])


def test_a_removal_comes_near_to_what_was_there(ball, tmp_path):
    inputs, colours, hole = ball
    spoiled = colours.copy()
    spoiled[hole] = (255, 0, 255)
    made = opened(job(tmp_path, {**inputs, "base_colour": png(spoiled)}, "remove")[0])
    error = (made[hole].astype(float) - colours[hole]) / 255
    flat = (colours[hole].astype(float) - colours[~hole].mean(0)) / 255
    assert (error**2).mean() < 0.5 * (flat**2).mean()
    # What was under the selection has no say.
    assert np.array_equal(made, opened(job(tmp_path, inputs, "remove")[0]))


def test_feathered_texels_lie_between_old_and_new(ball, tmp_path):
    inputs, colours, hole = ball
    hard, soft = (opened(job(tmp_path, inputs, "remove", feather=feather)[0]) for feather in (0, 3))
    assert np.array_equal(soft[~hole], colours[~hole])
    low, high = np.minimum(hard, colours)[hole].astype(int), np.maximum(hard, colours)[hole].astype(int)
    assert ((soft[hole] >= low - 1) & (soft[hole] <= high + 1)).all() and not np.array_equal(soft, hard)


def test_opacity_survives():
    old = np.full((4, 4, 3), 10, np.uint8)
    opacity = np.arange(16, dtype=np.uint8).reshape(4, 4)
    fresh = np.zeros((4, 4), np.float32)
    fresh[0, :2] = 1.0, 0.5
    whole = composed(old, old + 100, fresh, opacity)
    assert np.array_equal(whole[..., 3], opacity) and whole[0, 0, 0] == 110 and whole[0, 1, 0] == 60
    assert (whole[1:, :, :3] == 10).all()


def test_rigs_and_cameras_that_see_nothing(ball, tmp_path):
    inputs, _, _ = ball

    def seen_from(azimuth):
        cameras = orbit_degrees([azimuth], 10.0)
        return {**inputs, "cameras": cameras.camera_to_world.numpy(), "fields_of_view": cameras.fov_y.numpy()}

    for rig, given in (("cameras", seen_from(0)), ("turntable", inputs), ("coverage", inputs)):
        assert job(tmp_path, given, "remove", rig=rig)[0].report["inpaint"]["views"] >= 1
    assert job(tmp_path, seen_from(0), "fill", "a red ball", rig="cameras")[0].report["inpaint"]["views"] == 1
    for verb, prompt in (("remove", ""), ("fill", "a red ball")):
        with pytest.raises(BadRequest, match="None of the cameras sees") as caught:
            job(tmp_path, seen_from(180), verb, prompt, rig="cameras")
        assert caught.value.path == "inputs.cameras" and "facing" in caught.value.hint
    with pytest.raises(BadRequest, match="none came in"):
        job(tmp_path, inputs, "remove", rig="cameras")


@pytest.mark.parametrize(("verb", "prompt"), [("remove", ""), ("remove", "a wall"), ("fill", "a red ball"),
                                              ("replace", "a red ball")])
def test_pictures(drawing, tmp_path, verb, prompt):
    inputs, picture, mask = drawing
    result, context = job(tmp_path, inputs, verb, prompt)
    made, changed = opened(result, "picture"), ~mask if verb == "replace" else mask
    assert made.shape == picture.shape and np.array_equal(made[~changed], picture[~changed])
    assert (made[changed] != picture[changed]).any(1).mean() > 0.5
    assert set(result.arrays) == {"picture", "thumbnail"} and context.stages[-1][1] == 1.0
    json.dumps(result.report)


def test_masks_of_pictures(drawing, tmp_path):
    inputs, picture, mask = drawing
    for white, says in ((np.zeros_like(mask), "empty"), (np.ones_like(mask), "nothing is left")):
        with pytest.raises(BadRequest, match=says):
            job(tmp_path, {**inputs, "mask": png((white * 255).astype(np.uint8))}, "remove")
    with pytest.raises(BadRequest, match="must match"):
        job(tmp_path, {**inputs, "mask": png(np.zeros((20, 20), np.uint8))}, "remove")
    grown = opened(job(tmp_path, inputs, "remove", grow=2)[0], "picture")
    differs = (grown != picture).any(-1)
    assert differs[10:12, 22:42].any() and not differs[:10].any()


def test_a_folder_of_diffusers_inpainting_pipeline(ball, drawing, tmp_path, public_folders):  # noqa: F811
    folder = tmp_path / "inpaint"
    shutil.copytree(public_folders["inpainting"], folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionInpaintPipeline"}))
    inputs, colours, hole = ball
    result, _ = job(tmp_path, inputs, "fill", "a red cube", prior=str(folder))
    assert result.report["prior"] == {"coarse": "inpaint", "fine": "inpaint"}
    assert np.array_equal(opened(result)[~hole], colours[~hole])
    flat, picture, mask = drawing
    made = opened(job(tmp_path, flat, "fill", "a red cube", prior=str(folder))[0], "picture")
    assert np.array_equal(made[~mask], picture[~mask]) and (made[mask] != picture[mask]).any()


def test_it_can_be_cancelled(ball, tmp_path):
    inputs, _, _ = ball
    for verb, prompt in (("remove", ""), ("fill", "a red ball")):
        with pytest.raises(Cancelled):
            job(tmp_path, inputs, verb, prompt, cancel_when=lambda context: len(context.stages) > 4)
