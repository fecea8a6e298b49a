# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences are understood: what, how, how long, which way, in what order; and the right motion is found for 100
paraphrases without any model (the file was written before anything was measured)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.motion.index import GENERATORS, Index, entry_of_clip
from backend.motion.lexicon import CONCEPTS, MANNER_WORDS, found, plain, tokens
from backend.motion.manner import MANNERS
from backend.motion.words import parse

PARAPHRASES = [line.split("\t") for line in (Path(__file__).parent / "paraphrases.txt").read_text(
    encoding="utf-8").splitlines() if line and not line.startswith("#")]
CLIPS = (
    "Walk_Loop", "Walk_Formal_Loop", "Jog_Fwd_Loop", "Sprint_Loop", "Crouch_Fwd_Loop", "Crouch_Idle_Loop",
    "Idle_Loop", "Idle_Talking_Loop", "Sitting_Enter", "Sitting_Exit", "Sitting_Idle_Loop", "Sitting_Talking_Loop",
    "Jump_Start", "Jump_Loop", "Jump_Land", "Roll", "Swim_Fwd_Loop", "Punch_Jab", "Punch_Cross", "Sword_Attack",
    "Pistol_Shoot", "Pistol_Reload", "Spell_Simple_Shoot", "Dance_Loop", "Push_Loop", "Driving_Loop",
    "Fixing_Kneeling", "Death01", "Hit_Chest", "PickUp_Table", "Interact", "Bow", "Victory", "Meditate",
    "Jumping_Jacks", "Pushup", "Backflip", "Crawl", "Dizzy", "Throw_Object",
)


def test_a_hundred_paraphrases():
    assert len(PARAPHRASES) == 100
    names = {entry.name for entry in GENERATORS}
    assert all(truth in names for truth, _ in PARAPHRASES) and len({truth for truth, _ in PARAPHRASES}) > 35
    index = Index()
    right = [index.best(parse(text)[0])[0][0].name == truth for truth, text in PARAPHRASES]
    assert np.mean(right) >= 0.90, [text for (_, text), good in zip(PARAPHRASES, right, strict=True) if not good]


@pytest.mark.parametrize("verb", ["argue", "bend", "cry", "eat", "excited", "kick soccer", "pray", "raise arms", "run",
                                  "shoot basketball", "squat", "walk"])
def test_the_verbs_of_avatarclip(verb):
    wanted = {"argue": "argue", "bend": "bend", "cry": "cry", "eat": "eat", "excited": "cheer", "kick soccer": "kick",
              "pray": "pray", "raise arms": "raise_arms", "run": "run", "shoot basketball": "shoot_ball",
              "squat": "squat", "walk": "walk"}[verb]
    assert Index().best(parse(verb)[0])[0][0].name == wanted


def test_forty_names_of_clips():
    entries = [entry_of_clip(name, number, 2.0) for number, name in enumerate(CLIPS)]
    assert len(CLIPS) == 40 and all(entry.known for entry in entries)
    index = Index(entries)
    for entry in entries:  # said in words, each is found again
        assert index.best(parse(entry.caption)[0])[0][0].name == entry.name


def test_recorded_clips_come_first_where_both_know_the_word():
    index = Index([*GENERATORS, entry_of_clip("Walk_Loop", 0, 1.3), entry_of_clip("Backflip", 1, 1.0)])
    assert index.best(parse("she walks")[0])[0][0].name == "Walk_Loop"
    assert index.best(parse("do a backflip")[0])[0][0].name == "Backflip"
    assert index.best(parse("he waves")[0])[0][0].name == "wave"


def test_sequences_and_layers():
    walk, wave = parse("walks in tired, then waves for 3 seconds")
    assert (walk.concepts[0], walk.manners, walk.direction) == ("walk", ("tired",), "in")
    assert (wave.concepts[0], wave.seconds) == ("wave", 3.0)
    (both,) = parse("waves while walking slowly")
    assert both.concepts[0] == "walk" and both.manners == ("slow",) and both.layers[0].concepts == ("wave",)
    (both,) = parse("A man walks and waves")
    assert both.concepts[0] == "walk" and both.layers[0].concepts == ("wave",)
    assert [part.concepts[0] for part in parse("sit down, look around and stand up")] == ["sit", "look", "rise"]
    assert [part.concepts[0] for part in parse("Jump twice; clap 3 times.")] == ["jump", "clap"]
    assert [part.times for part in parse("Jump twice; clap 3 times.")] == [2, 3]
    (one,) = parse("walk, slowly")
    assert one.manners == ("slow",)
    (one,) = parse("walk on hands and knees")
    assert "crawl" in one.concepts


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("turn left 90 degrees", "degrees", 90.0), ("turn around", "degrees", 180.0),
        ("walk for 2.5 s", "seconds", 2.5),
        ("walk five metres", "metres", 5.0), ("take ten steps", "metres", 7.0), ("turn right", "direction", "right"),
        ("walk forever", "loop", True), ("get down on all fours", "seconds", 0.0), ("run 10 m", "metres", 10.0),
        ("walk backwards", "direction", "back"), ("dance for half a second", "seconds", 0.5),
    ],
)
def test_numbers_and_directions(text, name, value):
    assert getattr(parse(text)[0], name) == value


@pytest.mark.parametrize(("form", "base"), [
    ("hurled", "hurl"), ("running", "run"), ("ran", "run"), ("waves", "wave"), ("dances", "dance"), ("claps", "clap"),
    ("tired", "tired"), ("carries", "carry"),
])
def test_plain_forms(form, base):
    assert tokens(form) == tokens(base) and plain(base) == base


def test_the_lexicon_is_sound():
    assert set(MANNER_WORDS) == set(MANNERS)
    used = {concept for entry in GENERATORS for concept in entry.concepts}
    assert used <= set(CONCEPTS)
    for concept, listed in CONCEPTS.items():
        for phrase in listed.split(","):
            meant = [one for _, _, several in found(tokens(phrase)) for one in several]
            assert concept in meant, (concept, phrase)


@pytest.mark.parametrize("text", ["", " ", ",,,", "then", "while", "and and", "\u266b", "-> ->", "x" * 999, "then run"])
def test_odd_sentences_have_a_part(text):
    assert len(parse(text)) >= 1
