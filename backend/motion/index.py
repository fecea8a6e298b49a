# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a figure can do, and the choice among it: generators of ours and clips of the user, found by words.

An entry has a name, concepts that it stands for and a caption. A prompt's concepts are compared with those, rare ones
counting more; for words that no list has, a sentence encoder can say which caption they resemble.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.motion.lexicon import found, tokens
from backend.motion.words import Part

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentences -> (N, D) vectors of unit length."""


@dataclass(frozen=True)
class Entry:
    """name: of a generator, or of a clip. concepts: what it is, the first above all. caption: in words. cyclic: does it
    go on by itself? clip: number in the list of clips, -1 for a generator. seconds: its natural length."""

    name: str
    concepts: tuple[str, ...]
    caption: str
    cyclic: bool = False
    clip: int = -1
    seconds: float = 0.0

    @property
    def known(self) -> frozenset[str]:
        """Its concepts that the lexicon knows."""
        return frozenset(one for one in self.concepts if not one.startswith("word:"))


def _own(name: str, concepts: str, caption: str, seconds: float, cyclic: bool = False) -> Entry:
    return Entry(name, tuple(concepts.split()), caption, cyclic, -1, seconds)


GENERATORS: tuple[Entry, ...] = (
    _own("walk", "walk", "a person walks, strolls or marches forward", 0.0, True),
    _own("run", "run", "a person runs, sprints or races", 0.0, True),
    _own("jog", "jog", "a person jogs at an easy pace", 0.0, True),
    _own("sneak", "sneak", "a person sneaks quietly on tiptoe, crouched", 0.0, True),
    _own("walk_backwards", "backwards walk", "a person walks backwards, steps back", 0.0, True),
    _own("sidestep", "sidestep", "a person steps sideways", 0.0, True),
    _own("crawl", "crawl", "a person crawls on hands and knees", 0.0, True),
    _own("turn", "turn", "a person turns around on the spot", 0.0),
    _own("jump", "jump", "a person jumps up with both feet", 2.2),
    _own("idle", "idle", "a person stands still, waits and breathes", 6.0, True),
    _own("sit", "sit", "a person sits down on a chair", 2.2),
    _own("sitting", "seated", "a person stays seated", 5.0, True),
    _own("stand_up", "rise", "a person stands up from a chair", 2.2),
    _own("squat", "squat", "a person squats down and comes up again", 2.2),
    _own("kneel", "kneel", "a person kneels down on one knee", 2.2),
    _own("wave", "wave", "a person waves hello with one hand", 2.8),
    _own("wave_both", "wave both", "a person waves both arms over the head", 2.8),
    _own("point", "point", "a person points ahead with a finger", 2.4),
    _own("reach", "reach", "a person reaches up for something high", 2.8),
    _own("nod", "nod", "a person nods yes", 1.8),
    _own("shake_head", "refuse", "a person shakes the head, no", 2.0),
    _own("look_around", "look", "a person looks around, left and right", 4.0),
    _own("bow", "bow", "a person bows politely", 2.8),
    _own("bend", "bend", "a person bends over and touches the toes", 3.0),
    _own("clap", "clap", "a person claps hands, applauds", 2.8),
    _own("pray", "pray", "a person prays with hands together", 3.5),
    _own("cry", "cry", "a person cries with hands before the face", 3.5),
    _own("eat", "eat", "a person eats or drinks from the hand", 4.0),
    _own("salute", "salute", "a soldier salutes", 2.2),
    _own("shrug", "shrug", "a person shrugs the shoulders, does not know", 1.8),
    _own("talk", "talk", "a person talks and gestures with the hands", 4.0),
    _own("argue", "argue", "a person argues angrily and jabs a finger", 3.5),
    _own("cheer", "cheer", "a person cheers with fists in the air, excited", 2.8),
    _own("raise_arms", "raise", "a person raises both arms above the head", 2.8),
    _own("stretch", "stretch", "a person stretches and yawns", 4.0),
    _own("cross_arms", "crossed", "a person folds the arms before the chest", 3.5),
    _own("hands_on_hips", "akimbo", "a person puts the hands on the hips", 3.5),
    _own("think", "think", "a person thinks with a hand at the chin", 4.0),
    _own("push", "push", "a person pushes something heavy with both hands", 2.4),
    _own("beckon", "beckon", "a person beckons, come here", 2.6),
    _own("punch", "punch", "a person punches, boxing with the fists", 2.4),
    _own("kick", "kick", "a person kicks with the right leg, soccer", 1.7),
    _own("throw", "throw", "a person throws something with one hand", 2.0),
    _own("shoot_ball", "shoot", "a person shoots a basketball at the basket", 2.0),
    _own("pick_up", "pick", "a person picks something up from the floor", 2.6),
    _own("dance", "dance", "a person dances to music", 4.4, True),
    _own("jumping_jacks", "jacks", "a person does jumping jacks", 2.0, True),
)
MISS = 0.35  # what a concept of an entry that is not asked for takes away, as a share of its weight
RECORDED = 0.35  # added to clips that have the concept: what was recorded looks more natural than what is generated
NAMED = {"loop", "anim", "animation", "armatur", "action", "fwd", "rig", "mixamo", "com"}


def entry_of_clip(name: str, number: int, seconds: float) -> Entry:
    """A clip under the words of its name."""
    words = [word for word in tokens(name.rsplit("|", 1)[-1]) if word not in NAMED and not word.isdigit()]
    concepts: list[str] = []
    for _, _, meant in found(words):
        concepts += [one for one in sorted(meant) if one not in concepts]
    rest = [f"word:{word}" for word in words]
    cyclic = "loop" in name.lower() or bool({"walk", "run", "jog", "idle", "dance", "swim", "crawl"} & set(concepts))
    return Entry(name, tuple(concepts + rest), " ".join(words), cyclic, number, seconds)


class Index:
    """Entries that are searched together."""

    def __init__(self, entries: Sequence[Entry] = GENERATORS) -> None:
        self.entries = list(entries)
        many = Counter(concept for entry in self.entries for concept in set(entry.concepts))
        count = len(self.entries)
        self._rare = {concept: math.log(1 + count / (1 + number)) for concept, number in many.items()}

    def scores(self, part: Part) -> NDArray[np.float64]:
        """(N,) how well each entry fits; about 0 for nothing in common."""
        asked = list(part.concepts) + [f"word:{word}" for word in tokens(part.text)]
        values = np.zeros(len(self.entries))
        for number, entry in enumerate(self.entries):
            mine = set(entry.concepts)
            value = 0.0
            for place, concept in enumerate(dict.fromkeys(asked)):
                order = 1.0 if place == 0 else 0.9 if place < len(part.concepts) else 0.5
                weight = self._rare.get(concept, 0.0) * order
                if concept in mine:
                    value += weight * (1.0 if entry.concepts[0] == concept else 0.8)
            value -= MISS * sum(self._rare.get(concept, 0.0) for concept in mine - set(asked)) / max(len(mine), 1)
            if entry.clip >= 0 and mine & set(part.concepts[:1]):
                value += RECORDED
            values[number] = value
        return values

    def best(self, part: Part, count: int = 1) -> list[tuple[Entry, float]]:
        """The entries that fit best, with their scores."""
        values = self.scores(part)
        order = np.argsort(-values, kind="stable")[:count]
        return [(self.entries[place], float(values[place])) for place in order]

    def resembling(self, text: str, encode: Encode) -> tuple[Entry, float]:
        """The entry whose caption says most nearly the same, with the cosine of their sentence vectors."""
        vectors = encode([text, *(entry.caption for entry in self.entries)])
        cosines = vectors[1:] @ vectors[0]
        place = int(cosines.argmax())
        return self.entries[place], float(cosines[place])
