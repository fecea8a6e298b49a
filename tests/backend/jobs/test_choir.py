# SPDX-License-Identifier: GPL-3.0-or-later
"""Several priors in one job: their opinions add up as their weights say, in steps, checkpoints, reports and memory."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from backend.jobs import TerminalContext, presets, text_to_3d
from backend.jobs.choir import Choir, guide_of
from backend.jobs.coarse import CoarseStage
from backend.jobs.guide import Seen, Voice
from backend.jobs.presets import STANDARD, HashGridSize
from backend.priors import catalog
from backend.priors.prompts import PromptBook
from backend.render.cameras import orbit_degrees
from protocol.errors import BadRequest
from protocol.specs import TextTo3DSpec
from tests.backend.priors.conftest import save_zero123
from tests.benchmarks.gpu import Bench
from tests.benchmarks.random_prior import networks_of, randomise, write

torch.set_num_threads(1)
CPU = torch.device("cpu")
GRID = HashGridSize(levels=4, log2_entries=10, base=4, finest=16, hidden=8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two tiny Stable Diffusions with values, and a Zero-1-to-3."""
    root = tmp_path_factory.mktemp("choir")
    torch.manual_seed(4)
    save_zero123(root / "zero", "cc_projection")
    return {"one": write("sd15", root / "one", torch.float32, tiny=True, filled=True),
            "two": write("sd21", root / "two", torch.float32, tiny=True, filled=True), "zero": root / "zero"}


def voice(folder: Path, weight: float = 1.0, others: tuple[Voice, ...] = ()) -> Voice:
    prior = catalog.load(str(folder), "fine", CPU, torch.float32)
    torch.manual_seed(len(folder.name))
    randomise(*networks_of(prior))
    return Voice(prior, PromptBook(prior, "a red cube"), weight, others)


def seen() -> Seen:
    torch.manual_seed(6)
    return Seen(torch.rand(2, 8, 8, 3, requires_grad=True), torch.ones(2, 8, 8, 1))


@pytest.mark.parametrize("form", ["noise", "target"])
def test_the_gradient_is_the_weighted_sum_of_theirs(folders, form) -> None:
    settings = replace(STANDARD.coarse.guidance, form=form, scale=2.0, rescale=0.0)
    cameras = orbit_degrees([0.0, 90.0], 15.0, 8)
    chance = torch.Generator().manual_seed(1)
    one, two = voice(folders["one"]), voice(folders["two"], 0.25)
    both = guide_of(replace(one, weight=3.0, others=(two,)), settings, chance)
    assert isinstance(both, Choir)
    pictures = seen()
    opinion = both.judge(both.pack(pictures, 0.0), both.view(cameras, None), 0.5)
    opinion.loss.backward()
    found = pictures.colour.grad.clone()
    wanted = torch.zeros_like(found)
    alone_chance = torch.Generator().manual_seed(1)
    alone = [guide_of(replace(own, weight=1.0), settings, alone_chance) for own in (one, two)]
    pictures = seen()
    packed = [guide.pack(pictures, 0.0) for guide in alone]
    for guide, images, weight in zip(alone, packed, (3.0, 0.25), strict=True):
        pictures.colour.grad = None
        guide.judge(images, guide.view(cameras, None), 0.5).loss.backward(retain_graph=True)
        wanted += weight * pictures.colour.grad
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    assert float(wanted.abs().max()) > 0
    if form == "target":
        again = both.fit(both.pack(seen(), 0.0), opinion.target)
        torch.testing.assert_close(again.detach(), opinion.loss.detach(), rtol=1e-5, atol=1e-6)


def test_a_voice_without_weight_is_not_asked(folders) -> None:
    silent = voice(folders["two"], 0.0)
    with mock.patch.object(silent.prior, "network", side_effect=AssertionError("asked")):
        both = guide_of(voice(folders["one"], 1.0, (silent,)), STANDARD.coarse.guidance, torch.Generator())
        assert both.judge(both.pack(seen(), 0.0), both.view(orbit_degrees([0.0, 9.0], 1.0, 8), None), 0.5).loss > 0


def test_a_checkpoint_holds_the_students_of_all_and_a_resumed_stage_repeats_itself(folders) -> None:
    settings = replace(STANDARD.coarse, steps=40, views=2, pixels=8, samples=16, grid=GRID, occupancy=8,
                       guidance=replace(STANDARD.coarse.guidance, form="variational", rescale=0.0))

    def stage() -> CoarseStage:
        lead = voice(folders["one"], 1.0, (voice(folders["two"], 0.5),))
        return CoarseStage(settings, lead.prior, lead.book, CPU, 1, voice=lead)

    first, second = stage(), stage()
    for _ in range(2):
        first.advance()
    assert set(first.learners()) == {"guide", "guide 1"}
    second.load(first.state())
    for one in (first, second):
        one.advance()
    for here, there in zip(first._parameters(), second._parameters(), strict=True):
        assert torch.equal(here, there)


def tiny_job(folders, tmp_path, prior: str, inputs: dict[str, np.ndarray], **more):
    preset = Bench(CPU, "sd15", tmp_path, True, False, 1).preset("standard")
    preset = replace(preset, coarse=replace(preset.coarse, steps=2), fine=replace(preset.fine, steps=2))
    context = TerminalContext(tmp_path / "job", inputs=inputs)
    with mock.patch.object(presets, "find", lambda _: preset):
        spec = TextTo3DSpec("a red cube", preset="standard", prior=prior, seed=1, **more)
        return text_to_3d.text_to_3d(spec, context).report


def picture() -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64, 4), 200, np.uint8)).save(stream, "PNG")
    return np.frombuffer(stream.getvalue(), np.uint8)


def test_a_job_listens_to_words_and_to_a_picture_and_reports_both(folders, tmp_path) -> None:
    setting = f"{folders['one']} & {folders['zero']} @ 40"
    report = tiny_job(folders, tmp_path, setting, {"picture": picture()}, negative_prompt="a dog")
    assert report["prior"] == {"coarse": "one @ 1 & zero @ 40", "fine": "one @ 1 & zero @ 40"}
    assert report["prior_revision"]["coarse"].count(" & ") == 1


def test_what_is_missing_is_said_before_the_work(folders, tmp_path) -> None:
    setting = f"{folders['one']} & {folders['zero']}"
    with pytest.raises(BadRequest) as problem:
        tiny_job(folders, tmp_path, setting, {})
    assert problem.value.path == "inputs.picture"
    with pytest.raises(BadRequest, match="weighs"):
        tiny_job(folders, tmp_path, setting + " @ heavy", {"picture": picture()})
    with pytest.raises(BadRequest, match="style"):
        tiny_job(folders, tmp_path, f"{folders['one']} & {folders['two']}", {"style_picture": picture()})
