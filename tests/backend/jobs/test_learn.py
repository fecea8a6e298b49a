# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn jobs on tiny folders in genuine layouts: what they give, that they repeat themselves, stop, go on, and refuse;
and that other jobs hear the word."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.identity.learned import read_learned
from backend.jobs import TerminalContext, run
from backend.jobs.prompt import Notes, read_prompt
from protocol.errors import BadRequest, Cancelled
from protocol.specs import LearnSpec, TextTo3DSpec
from tests.backend.identity.test_pictures import SIZES, file, given
from tests.backend.priors.conftest import embedded_folders, encoder, public_folders

__all__ = ["embedded_folders", "encoder", "public_folders"]

CACHE: dict[str, object] = {}
PICTURES = given(*(file(one) for one in SIZES.values()))
VIEWS = np.array([[0.0, 0.2, 1.0], [2.0, 0.2, 1.0], [4.0, 0.2, 1.1]], np.float32)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def job(folder: Path, prior: Path | str, inputs: dict[str, np.ndarray] | None = None, **fields: object):
    cancel = fields.pop("cancel_when", lambda context: False)
    spec = LearnSpec(**{"word": "zorblu", "noun": "cube", "prior": str(prior), "seed": 2, "steps": 10, **fields})
    context = TerminalContext(folder, cache=CACHE, inputs=PICTURES if inputs is None else inputs, cancel_when=cancel)
    return run(spec, context), context


def at(stage: str, times: int = 1):
    return lambda context: sum(one == stage for one, _ in context.stages) >= times


@pytest.mark.parametrize("method", ["lora", "textual_inversion"])
@pytest.mark.parametrize("family", ["sd1", "sd2", "embedded"])
def test_a_word_is_learned(method, family, embedded_folders, public_folders, tmp_path):
    own = f"{embedded_folders['pixel']}, {embedded_folders['latent']}"
    prior = own if family == "embedded" else public_folders[family]
    inputs = {**PICTURES, "views": VIEWS} if method == "lora" else PICTURES
    result, context = job(tmp_path, prior, inputs, method=method)
    word = read_learned(result.arrays["identity"])
    assert (word.word, word.noun, word.method) == ("zorblu", "cube", method)
    assert len(word.lessons) == (2 if family == "embedded" else 1)
    report = result.report
    assert report["prior_revision"] == [one.revision for one in word.lessons] and report["prompt"] == "a zorblu cube"
    assert all(np.isfinite([one["first"], one["last"]]).all() for one in report["losses"])
    assert (report["views"] is not None) == (family == "embedded")
    sheet = Image.open(io.BytesIO(result.arrays["thumbnail"].tobytes()))
    assert sheet.size == (4 * 128, 2 * 128)
    fractions = [fraction for _, fraction in context.stages]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    if method == "lora":
        assert any(float(tensor.abs().max()) > 0 for lesson in word.lessons
                   for name, tensor in lesson.tensors.items() if "lora_B" in name)


def test_learning_lowers_the_loss_and_leaves_the_prior_alone(public_folders, tmp_path):
    context = TerminalContext(tmp_path, cache=CACHE, inputs=PICTURES)
    notes = Notes(context)
    setting = str(public_folders["sd1"])
    before = read_prompt("a zorblu cube", "", setting, TerminalContext(tmp_path, cache=CACHE), notes)[0]
    x = torch.randn(1, *before.prior.traits.latent_shape, generator=torch.Generator().manual_seed(0))
    usual = before.prior.predict(x, torch.tensor([500]), before.book.positive(1)).eps
    result, _ = job(tmp_path, setting, steps=60, learning_rate=0.02, preservation=0.0)
    [loss] = result.report["losses"]
    assert loss["last"] < loss["first"]
    assert torch.equal(before.prior.predict(x, torch.tensor([500]), before.book.positive(1)).eps, usual)
    # The word is heard by every job through its prompt.
    said = TerminalContext(tmp_path, cache=CACHE, inputs={"identity_0": result.arrays["identity"]})
    broad, sharp = read_prompt("a zorblu cube", "", setting, said, notes)
    assert sharp is broad
    heard = broad.prior.predict(x, torch.tensor([500]), broad.book.positive(1)).eps
    assert not torch.allclose(heard, usual, atol=1e-4) and not notes.warnings
    off, _ = read_prompt("a zorblu cube", "", setting, said, notes, TextTo3DSpec("a cube", identity_scale=0.0))
    assert torch.equal(off.prior.predict(x, torch.tensor([500]), off.book.positive(1)).eps, usual)
    read_prompt("a red cube", "", setting, said, notes)
    assert any("does not say the learned word 'zorblu'" in text for text in notes.warnings)
    with pytest.raises(BadRequest, match="was learned with sd1, and this job uses sd2"):
        read_prompt("a zorblu cube", "", str(public_folders["sd2"]), said, notes)
    with pytest.raises(BadRequest, match="no image adapter"):
        styled = {"style_picture": PICTURES["picture_0"]}
        read_prompt("a cube", "", setting, TerminalContext(tmp_path, cache=CACHE, inputs=styled), notes)


def test_stopped_and_gone_on_it_learns_the_same(public_folders, tmp_path, monkeypatch):
    whole, _ = job(tmp_path / "whole", public_folders["sd1"])
    monkeypatch.setattr("backend.jobs.keeper.CHECKPOINT_EVERY", 0.0)
    with pytest.raises(Cancelled):
        job(tmp_path, public_folders["sd1"], cancel_when=at("learn", 6))
    result, context = job(tmp_path, public_folders["sd1"])
    assert context.load_checkpoint() is not None
    assert sum(stage == "learn" for stage, _ in context.stages) < 9
    assert np.array_equal(result.arrays["identity"], whole.arrays["identity"])


def test_what_does_not_teach_well_is_said(public_folders, tmp_path):
    noisy = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    inputs = given(file(noisy), file(SIZES["plain"]), file(SIZES["plain"]))
    result, _ = job(tmp_path, public_folders["sd1"], inputs, word="red")
    warnings = " ".join(result.report["warnings"])
    assert "'red' is a word that sd1 knows already" in warnings and "picture_2 came in twice" in warnings


def test_backgrounds_are_spoken_of_where_they_are_learned(embedded_folders, tmp_path):
    noisy = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    result, _ = job(tmp_path, embedded_folders["pixel"], {**given(*[file(noisy)] * 3), "views": VIEWS})
    assert "background" in " ".join(result.report["warnings"])


def test_what_cannot_learn_is_refused(public_folders, embedded_folders, tmp_path):
    with pytest.raises(BadRequest, match="word vector") as caught:
        job(tmp_path, public_folders["sdxl"], method="textual_inversion")
    assert caught.value.path == "method" and "lora" in caught.value.hint
    with pytest.raises(BadRequest) as caught:
        job(tmp_path, embedded_folders["pixel"], {**PICTURES, "views": VIEWS * [1, 1, -1]})
    assert caught.value.path == "inputs.views"
    with pytest.raises(BadRequest) as caught:
        job(tmp_path, public_folders["sd1"], {**PICTURES, "picture_1": np.arange(200, dtype=np.uint8)})
    assert caught.value.path == "inputs.picture_1"
