# SPDX-License-Identifier: GPL-3.0-or-later
"""A described person goes all the way: a closed textured mesh with a skeleton, weights and a motion."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from backend.jobs import TerminalContext, presets, run
from backend.jobs.guide import Voice
from backend.priors.prompts import PromptBook
from protocol.errors import BadRequest, Cancelled
from protocol.motion import Motion
from protocol.skeleton import Skeleton, Weights
from protocol.specs import AvatarSpec


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """A preset that shows the way without walking far."""
    small = replace(presets.DRAFT.avatar, steps=3, views=1, tetrahedra=40, cell=0.02, faces=4000, texture=256)
    edit = replace(presets.DRAFT.edit, begin_steps=20)
    presets.PRESETS["tiny"] = replace(presets.DRAFT, name="tiny", avatar=small, edit=edit)
    yield
    del presets.PRESETS["tiny"]


SPEC = AvatarSpec("a tall woman in a red dress, 1.8 m tall", preset="tiny", seed=4, motion="walks", seconds=1.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny):
    context = TerminalContext(tmp_path_factory.mktemp("avatar"))
    return run(SPEC, context), context


def test_mesh_stands_on_the_ground_in_its_height(made):
    result, _ = made
    vertices = result.arrays["vertices"]
    assert abs(float(vertices[:, 2].min())) < 1e-6
    assert 1.8 <= np.ptp(vertices[:, 2]) < 1.88  # hair and soles beside the body
    assert result.report["avatar"]["height_metres"] == pytest.approx(1.8, rel=0.002)
    assert result.report["mesh"]["closed"] and result.report["mesh"]["parts"] == 1
    assert len(result.arrays["uvs"]) == 3 * len(result.arrays["faces"])


def test_texture_is_red_where_the_dress_is(made):
    result, _ = made
    arrays = result.arrays
    picture = np.asarray(Image.open(io.BytesIO(arrays["base_colour"].tobytes())).convert("RGB"))
    middle = arrays["vertices"][arrays["faces"]].mean(1)
    uv = arrays["uvs"].reshape(-1, 3, 2).mean(1)
    column, row = (np.stack([uv[:, 0], 1 - uv[:, 1]]) * len(picture)).astype(int).clip(0, len(picture) - 1)
    colour = picture[row, column]
    # Outside of where the legs are, and off the arms.
    skirt = (middle[:, 2] > 0.7) & (middle[:, 2] < 0.85) & (np.hypot(middle[:, 0], middle[:, 1]) > 0.24)
    skirt &= np.abs(middle[:, 0]) < 0.4
    reddish = (colour[:, 0] > 120) & (colour[:, 1] < 90) & (colour[:, 2] < 90)
    assert reddish[skirt].mean() > 0.9
    assert reddish[middle[:, 2] > 1.62].mean() < 0.3


def test_skeleton_and_weights_fit_the_mesh(made):
    result, _ = made
    skeleton, weights = Skeleton.from_arrays(result.arrays), Weights.from_arrays(result.arrays)
    assert len(skeleton.names) == 52 and len(weights.values) == len(result.arrays["vertices"])
    assert np.allclose(weights.values.sum(1), 1, atol=1e-4)
    # A vertex follows a joint that is not far away.
    strongest = weights.joints[np.arange(len(weights.values)), weights.values.argmax(1)]
    gap = np.linalg.norm(result.arrays["vertices"] - 0.5 * (skeleton.heads + skeleton.tails)[strongest], axis=1)
    assert np.quantile(gap[result.arrays["vertices"][:, 2] > 1.0], 0.99) < 0.4  # a hem hangs far below its hips


def test_motion_comes_along(made):
    result, _ = made
    motion = Motion.from_arrays(result.arrays, result.report["motion"])
    assert motion.rotations.shape == (len(motion), 52, 4) and motion.fps == 24.0
    assert np.abs(np.diff(motion.rotations, axis=0)).max() > 0.01


def test_report_says_what_was_made_of_the_words(made):
    result, context = made
    facts = result.report["avatar"]
    assert "red dress" in facts["wears"] and facts["sliders"]["gender"] == 1.0
    assert {"sculpt", "finish", "bind", "move"} <= {stage["name"] for stage in result.report["stages"]}
    assert context.stages[-1] == ("done", 1.0)
    shares = [share for _, share in context.stages]
    assert all(later >= earlier - 1e-6 for earlier, later in zip(shares, shares[1:], strict=False))


def test_same_seed_same_bits(made, tmp_path):
    again = run(SPEC, TerminalContext(tmp_path))
    for name in ("vertices", "faces", "base_colour", "weights", "motion_rotations"):
        assert (again.arrays[name] == made[0].arrays[name]).all(), name


def test_the_embedded_prior_gets_no_more_say_than_in_the_draft(made):
    from backend.jobs.avatar import fitting

    broad = run_voice(made[1])
    held, draft = fitting(presets.STANDARD.avatar, broad), presets.DRAFT.avatar
    assert held.weight == draft.weight and held.reach == draft.reach and held.paint_begin == draft.paint_begin
    assert held.faces == presets.STANDARD.avatar.faces and held.cell == presets.STANDARD.avatar.cell
    other = Voice(SimpleNamespace(), broad.book)
    assert fitting(presets.STANDARD.avatar, other) is presets.STANDARD.avatar


def run_voice(context):
    """The embedded prior as the job before has left it in the cache."""
    prior = next(value for key, value in context.cache.items() if key.startswith("prior "))
    return Voice(prior, PromptBook(prior, "a woman"))


def test_what_is_no_person_is_refused_before_work(tmp_path):
    context = TerminalContext(tmp_path)
    with pytest.raises(BadRequest) as caught:
        run(AvatarSpec("a dragon", preset="tiny"), context)
    assert caught.value.path == "prompt" and not context.stages


def test_it_can_be_cancelled(tmp_path):
    context = TerminalContext(tmp_path, cancel_when=lambda one: len(one.stages) > 6)
    with pytest.raises(Cancelled):
        run(SPEC, context)
