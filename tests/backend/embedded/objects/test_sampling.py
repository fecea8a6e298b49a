# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions say what the recipe says; training never sees what is held out; the same seed gives the same objects."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from backend.embedded.objects import (
    CORE,
    FULL,
    KINDS,
    Recipe,
    Vocabulary,
    captions,
    held_out_prompts,
    is_held_out,
    known_words,
    plain_caption,
    sample,
    sample_recipe,
)
from backend.embedded.objects.palette import COLOUR_SYNONYMS, PATTERNS


def recipes(n: int, split: str = "train", seed: int = 0) -> list[Recipe]:
    rng = np.random.default_rng(seed)
    return [sample_recipe(rng, split) for _ in range(n)]  # type: ignore[arg-type]


def test_training_never_sees_a_held_out_combination() -> None:
    drawn = recipes(4000)
    held = {r.combination for r in recipes(400, "held_out") if r.other is None}
    seen = {x.combination for r in drawn for x in (r, r.other) if x is not None}
    assert held and not held & seen
    assert not any(is_held_out(r) for r in drawn)


def test_about_one_combination_in_nine_is_held_out() -> None:
    share = np.mean([is_held_out(Recipe(k, c)) for k in KINDS for c in COLOUR_SYNONYMS])
    assert 0.08 < share < 0.14


def test_shares_are_as_told() -> None:
    drawn = recipes(4000)
    related = np.mean([r.other is not None for r in drawn])
    second = np.mean([bool(r.second) and r.pattern == "plain" and r.other is None for r in drawn])
    assert 0.07 < related < 0.13 and 0.11 < second < 0.19
    assert {r.kind for r in drawn} == set(CORE.kinds)
    assert {r.pattern for r in drawn} == {"plain", *CORE.patterns}


def mentions(text: str, name: str, synonyms: tuple[str, ...]) -> bool:
    return any(word in text for word in (name, *synonyms))


def test_captions_name_kind_colour_and_pattern() -> None:
    rng = np.random.default_rng(5)
    for r in recipes(600):
        for text in (*captions(r, rng, 2), plain_caption(r)):
            for part in (r, r.other) if r.other else (r,):
                assert mentions(text, part.kind, KINDS[part.kind].synonyms), text
                if part.colour:
                    assert mentions(text, part.colour, COLOUR_SYNONYMS[part.colour]), text
                if part.pattern != "plain":
                    p = PATTERNS[part.pattern]
                    assert mentions(text, part.pattern, (*p.words, *p.nouns, *p.made_of)), text
                if part.second:
                    white_unsaid = part.second == "white" and PATTERNS[part.pattern].second
                    assert white_unsaid or mentions(text, part.second, COLOUR_SYNONYMS[part.second]), text


def test_captions_vary_and_repeat_by_seed() -> None:
    r = Recipe("mug", "red", "dotted", "white")
    first = captions(r, np.random.default_rng(1), 40)
    assert len(set(first)) > 15
    assert first == captions(r, np.random.default_rng(1), 40)
    assert plain_caption(Recipe("apple", "orange")) == "an orange apple"
    assert plain_caption(Recipe("car", "blue", second="yellow")) == "a blue car with yellow wheels"
    assert plain_caption(Recipe("teapot", "blue", second="yellow")) == "a blue teapot with a yellow lid"
    assert (
        plain_caption(Recipe("duck", "white", relation="wearing", other=Recipe("hat", "", "golden")))
        == "a white duck wearing a golden hat"
    )


def test_the_prompt_of_the_demo_is_one_that_training_draws() -> None:
    wanted = Recipe("mushroom", "red", "dotted", "white")
    assert not is_held_out(wanted)
    assert "a red mushroom with white spots" in captions(wanted, np.random.default_rng(0), 400)


def test_same_seed_same_objects() -> None:
    def draw() -> list[bytes]:
        rng = np.random.default_rng(7)
        return [sample(rng).primitives.tobytes() for _ in range(12)]

    assert draw() == draw()


def test_uncaptioned_variation_is_small() -> None:
    from backend.embedded.objects import build, render

    things = [build(Recipe("mug", "red"), np.random.default_rng(i)) for i in range(2)]
    a = render(things, 0.5, 0.3, 1.0, 32)[0][..., 3].float() / 255
    assert 0 < (a[0] - a[1]).abs().sum() < 0.12 * a[0].sum()


def test_held_out_prompts() -> None:
    prompts = held_out_prompts(60, seed=3)
    assert len({text for text, _ in prompts}) == 60
    assert all(is_held_out(thing.recipe) for _, thing in prompts)
    assert len({(t.kind, t.colour) for _, t in prompts}) == 60
    counts = Counter(t.kind for _, t in prompts)
    assert max(counts.values()) <= 4 and len(counts) >= 40
    plain = np.mean([t.pattern == "plain" and t.recipe.other is None for _, t in prompts])
    assert 0.5 < plain < 0.9
    again = held_out_prompts(60, seed=3)
    assert [t for t, _ in again] == [t for t, _ in prompts]
    assert [t for t, _ in held_out_prompts(60, seed=4)] != [t for t, _ in prompts]
    with pytest.raises(ValueError, match="held-out prompts"):
        held_out_prompts(40, seed=0, vocabulary=Vocabulary(("mug",), ("striped",)))


def test_known_words_follow_the_vocabulary() -> None:
    core, full = known_words(), known_words(FULL)
    assert set(core["kinds"]) == set(CORE.kinds) and set(full["kinds"]) == set(KINDS)
    assert "scarlet" in core["colours"]["red"] and "spots" in core["patterns"]["dotted"]
    assert set(core["patterns"]) == set(CORE.patterns)


def test_a_vocabulary_without_roles_still_samples() -> None:
    rng = np.random.default_rng(0)
    lone = Vocabulary(("house", "tree"), ())
    drawn = [sample_recipe(rng, vocabulary=lone) for _ in range(200)]
    assert {r.kind for r in drawn} == {"house", "tree"} and {r.pattern for r in drawn} == {"plain"}


def test_a_wrong_split_is_named() -> None:
    with pytest.raises(ValueError, match="split"):
        sample_recipe(np.random.default_rng(0), "test")  # type: ignore[arg-type]
