# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights that ship: small, whole, knowing what the prior is taught, and a judge worth having on the truth."""

from __future__ import annotations

import pytest
import torch

from backend.embedded.objects import CORE, held_out_prompts
from backend.embedded.scorer import Scorer
from backend.embedded.scorer.check import CheckSettings, exchanged, traced_views
from backend.embedded.scorer.scorer import WEIGHTS

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load()


def test_they_are_small_and_come_with_a_card(scorer):
    assert (WEIGHTS / "scorer.safetensors").stat().st_size <= 3_000_000
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    assert "licence" in card.lower() and "samples" in card.lower()


def test_the_heads_know_everything_the_prior_is_taught(scorer):
    assert set(CORE.kinds) <= set(scorer.network.sizes.kinds)
    assert {"plain", *CORE.patterns} <= set(scorer.network.sizes.patterns)


def test_true_objects_find_their_prompts_and_shuffled_ones_do_not(scorer):
    settings = CheckSettings(prompts=16, views=4, size=64, seed=31)
    pairs = held_out_prompts(settings.prompts, settings.seed)
    prompts = [prompt for prompt, _ in pairs]
    views = traced_views([thing for _, thing in pairs], settings)
    assert scorer.r_precision(views, prompts).share >= 0.85
    assert scorer.r_precision(views.roll(1, dims=0), prompts).share <= 0.1


def test_a_caption_with_one_word_exchanged_is_another_caption():
    prompt, thing = held_out_prompts(3, 31)[2]
    for sort in ("kind", "colour", "pattern"):
        others = exchanged(thing.recipe, sort)
        assert len(others) == len(set(others)) and all(others)
        assert prompt not in others or sort == "pattern"
