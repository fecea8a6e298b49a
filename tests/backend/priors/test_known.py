# SPDX-License-Identifier: GPL-3.0-or-later
"""What the embedded prior says it knows of a prompt."""

from __future__ import annotations

import pytest

from backend.priors.known import Vocabulary, nearest_known
from backend.priors.sentence_encoder import SentenceEncoder

KINDS = {"mug": ["cup"], "chair": [], "table": ["desk"], "lamp": [], "car": ["automobile"], "bus": [], "house": [],
         "dog house": [], "dog": []}
COLOURS = {"red": ["crimson"], "green": [], "dark green": ["forest green"], "blue": []}
PATTERNS = {"striped": ["stripes"], "wooden": ["wood"]}


@pytest.fixture(scope="module")
def vocabulary(encoder: SentenceEncoder) -> Vocabulary:
    return Vocabulary(KINDS, COLOURS, PATTERNS, encoder)


@pytest.mark.parametrize(("prompt", "kind"), [
    ("a red mug", "mug"), ("a crimson cup with stripes", "mug"), ("an automobile", "car"), ("two chairs", "chair"),
    ("a small lamp on a wooden table", "lamp"), ("a dog house", "dog house"), ("three buses", "bus"),
])
def test_named_kinds(vocabulary: Vocabulary, prompt: str, kind: str) -> None:
    found = vocabulary.nearest(prompt)
    assert found.kind == kind and found.sure


def test_synonyms_by_meaning(vocabulary: Vocabulary) -> None:
    assert vocabulary.nearest("a teacup").kind == "mug"
    assert vocabulary.nearest("a sports vehicle").kind == "car"


def test_people_are_sent_to_the_kind_of_work_that_makes_them(vocabulary: Vocabulary) -> None:
    for prompt in ("a smiling man in a green jumper", "two women"):
        found = vocabulary.nearest(prompt)
        assert not found.sure and "Avatar" in found.sentence()
    assert "Avatar" not in vocabulary.nearest("a mandolin").sentence()


def test_unknown_things_are_admitted(vocabulary: Vocabulary) -> None:
    found = vocabulary.nearest("the theory of general relativity")
    assert not found.sure and found.cosine < 0.45
    assert found.kind in found.sentence() and "prior" in found.sentence()
    assert len(found.alternatives) == 3
    assert set(found.to_map()) == {"kind", "cosine", "alternatives", "colours", "patterns", "sure"}


def test_colours_and_patterns_are_exact(vocabulary: Vocabulary) -> None:
    assert vocabulary.nearest("a dark green car").colours == ("dark green",)
    assert vocabulary.nearest("a forest green and crimson car").colours == ("dark green", "red")
    assert vocabulary.nearest("a green, Blue car").colours == ("green", "blue")
    assert vocabulary.nearest("a credible car").colours == ()
    assert vocabulary.nearest("a wooden car with stripes").patterns == ("wooden", "striped")


def test_the_shipped_vocabulary(encoder: SentenceEncoder) -> None:
    found = nearest_known("a red mushroom with white spots", encoder)
    assert found.kind == "mushroom" and found.sure
    assert found.colours == ("red", "white") and found.patterns == ("dotted",)


def test_a_pattern_is_enough_to_paint_and_not_to_make(vocabulary: Vocabulary) -> None:
    found = vocabulary.nearest("blue stripes")
    assert not found.sure and found.doubt("inpaint") == found.doubt("texture") == ""
    assert "nearest things" in found.doubt("text_to_3d") and "nearest things" in found.doubt()
    assert vocabulary.nearest("a red mug").doubt("text_to_3d") == ""
