# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts are put into the embedded prior's words where they are misspelt, German, Chinese or pictures, and left alone
where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.embedded.objects import known_words
from backend.embedded.objects.captions import captions
from backend.embedded.objects.sampling import sample_recipe
from backend.priors import glossary, wording
from backend.priors.known import in_known_words, nearest_known

KNOWN = {kind: set(names) for kind, names in known_words().items()}


@pytest.mark.parametrize(("typed", "read"), [
    ("a grean mushrom wiht yelow spotts", "a green mushroom with yellow spots"),
    ("an armcher in turqoise", "an armchair in turquoise"),
    ("a steampunk teapott", "a steampunk teapot"),
    ("Ein roter Stuhl mit gelben Streifen", "a red chair with yellow stripes"),
    ("ein Holztisch", "a wooden table"),
    ("ein grüner Kaktus neben einem roten Fass", "a green cactus next to a red barrel"),
    ("ein Apfel", "an apple"),
    ("一个蓝色的杯子", "a blue mug"),
    ("一个带白色斑点的红蘑菇", "a red mushroom with white dots"),
    ("桌子上的黄色的灯", "a yellow lamp on a table"),
    ("戴着红帽子的猫", "a cat wearing a red hat"),
    ("🍄🔴", "a red mushroom"),
    ("a 🔵 chair", "a blue chair"),
])
def test_what_is_typed_in_other_ways_is_read(encoder, typed, read):
    assert in_known_words(typed, encoder) == read
    assert nearest_known(read, encoder).sure


@pytest.mark.parametrize("typed", [
    "a red mushroom with white spots", "a chair made of clouds and regret", "a goblet of bronze", "a dalek",
    "the rot on a hut", "A Smiling Man, in a green jumper!", "<b>bold</b> %s {0}", "1984", "a  chair ",
    "der alte Zauberer auf dem Berg",
])
def test_what_can_be_read_or_is_not_known_stays_as_it_is(encoder, typed):
    assert in_known_words(typed, encoder) == typed


def test_what_the_prior_was_trained_to_hear_is_never_changed(encoder):
    rng = np.random.default_rng(5)
    for _ in range(200):
        for caption in captions(sample_recipe(rng), rng, 2):
            assert in_known_words(caption, encoder) == caption


def test_learned_words_stay(encoder):
    assert in_known_words("a chiar beside a mushrom", encoder) == "a chair beside a mushroom"
    assert in_known_words("a chiar beside a mushrom", encoder, ["chiar"]) == "a chiar beside a mushroom"


@pytest.mark.parametrize("things", [glossary.GERMAN_THINGS, glossary.CHINESE_THINGS])
def test_every_kind_has_its_word(things):
    assert set(things.values()) == KNOWN["kinds"]


@pytest.mark.parametrize("words", [glossary.GERMAN_WORDS, glossary.CHINESE_WORDS])
def test_every_colour_has_its_word(words):
    assert KNOWN["colours"] <= set(words.values())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read(text):
    read = wording.read_as(text, ("chair", "mushroom"), lambda word: False)
    assert isinstance(read, str) and len(read) <= 30 * len(text) + 10


def test_distance_counts_letters():
    for one, other, count in (("wiht", "with", 1), ("mushrom", "mushroom", 1), ("vaze", "vase", 1), ("", "abc", 3),
                              ("chair", "chair", 0), ("kitten", "sitting", 3), ("ca", "abc", 3)):
        assert wording.distance(one, other) == wording.distance(other, one) == count
