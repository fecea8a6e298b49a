# SPDX-License-Identifier: GPL-3.0-or-later
"""What the embedded prior knows of a prompt.

It was trained on a few dozen kinds of thing. A prompt outside of them still runs, and the user is told which known
thing it will come out as. Kinds are compared by the sentence encoder's cosine, because "cup" and "mug" should agree;
colours and patterns are read as exact words, because to the encoder red and blue are nearly the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from backend.priors.sentence_encoder import SentenceEncoder
from backend.priors.wording import read_as

UNSURE_BELOW = 0.45  # cosine under which the nearest kind is called a guess
ALTERNATIVES = 3
PAINTING = ("inpaint", "texture")
"""Kinds of job whose shape stands: "blue stripes" is all that they need to hear."""
PEOPLE = ("man", "woman", "men", "women", "girl", "boy", "person", "people", "human", "child", "lady", "gentleman",
          "knight", "wizard", "witch", "soldier", "warrior", "dancer", "pirate", "doctor", "farmer", "king", "queen")

Words = Mapping[str, Sequence[str]]
"""Plain names, each with its synonyms."""


@dataclass(frozen=True)
class NearestKnown:
    """What of a prompt the embedded prior knows.

    Attributes:
        kind: the nearest kind of thing, and
        cosine: how near the prompt is to it, -1..1.
        alternatives: the next nearest kinds, or the other kinds that the prompt names.
        colours, patterns: plain names of those that the prompt mentions.
        sure: the prompt names the kind, or comes near it; otherwise the result will look like `kind`, perhaps unlike
            what was meant.
    """

    kind: str
    cosine: float
    alternatives: tuple[str, ...]
    colours: tuple[str, ...]
    patterns: tuple[str, ...]
    sure: bool
    person: bool = False
    named: bool = False

    def to_map(self) -> dict[str, Any]:
        """For the job's report."""
        return {"kind": self.kind, "cosine": round(self.cosine, 3), "alternatives": list(self.alternatives),
                "colours": list(self.colours), "patterns": list(self.patterns), "sure": self.sure}

    def doubt(self, kind: str = "") -> str:
        """What a user should be told of a job of this kind; empty where the prompt is understood."""
        enough = self.sure or kind in PAINTING and bool(self.colours or self.patterns)
        return "" if enough else self.sentence()

    def sentence(self) -> str:
        """For a person."""
        if self.sure:
            return f"The embedded prior takes this for: {self.kind}."
        if self.person:
            return ("The embedded prior knows no people. What makes them is the kind of work called Avatar; "
                    f"this becomes something like: {self.kind}.")
        return (f"The embedded prior doesn't know this. The nearest things it knows: {self.kind}, "
                f"{', '.join(self.alternatives)}. Set `prior` to a larger model for anything else.")


class Vocabulary:
    """The kinds, colours and patterns that a prior was trained on, ready to be compared with prompts.

    Args:
        kinds, colours, patterns: plain names with their synonyms.
        encoder: the prior's sentence encoder; all kinds are read at the first prompt that names none of them.
    """

    def __init__(self, kinds: Words, colours: Words, patterns: Words, encoder: SentenceEncoder) -> None:
        if not kinds:
            raise ValueError("a vocabulary needs at least one kind")
        self._kinds, self._colours, self._patterns = kinds, colours, patterns
        self._encoder = encoder
        self._names = [(name, word) for name, synonyms in kinds.items() for word in (name, *synonyms)]
        self._vectors: Tensor | None = None

    def nearest(self, prompt: str) -> NearestKnown:
        """The kinds nearest to the prompt.

        A kind that the prompt names wins over all others, the first one named over later ones, because the thing
        itself comes first in "a lamp on a table"; the longest name wins where several start at the same place.
        """
        order = named = self._named(prompt)
        if named:
            own = [word for name, word in self._names if name == order[0]]
            cosine = float((self._read(own) @ self._encoder.vectors([prompt])[0]).max())
        else:
            if self._vectors is None:
                self._vectors = self._read([word for _, word in self._names])
            best: dict[str, float] = {}
            cosines = (self._vectors @ self._encoder.vectors([prompt])[0]).tolist()
            for (name, _), value in zip(self._names, cosines, strict=True):
                best[name] = max(value, best.get(name, -1.0))
            order = sorted(best, key=lambda name: best[name], reverse=True)
            cosine = best[order[0]]
        return NearestKnown(
            kind=order[0],
            cosine=cosine,
            alternatives=tuple(order[1:1 + ALTERNATIVES]),
            colours=_mentioned(self._colours, prompt),
            patterns=_mentioned(self._patterns, prompt),
            sure=bool(named) or cosine >= UNSURE_BELOW,
            person=any(_find(word, prompt) for word in PEOPLE),
            named=bool(named),
        )

    def _named(self, prompt: str) -> list[str]:
        """Kinds that the prompt names, the first and longest first."""
        places: dict[str, tuple[int, int]] = {}
        for name, word in self._names:
            found = _find(word, prompt)
            if found is not None:
                place = (found.start(), -len(found.group()))
                places[name] = min(place, places.get(name, place))
        return sorted(places, key=lambda name: places[name])

    def _read(self, words: list[str]) -> Tensor:
        return self._encoder.vectors([_phrase(word) for word in words])


def _phrase(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def _find(word: str, prompt: str) -> re.Match[str] | None:
    """The word (or its plural in s) in the prompt, as whole words."""
    return re.search(rf"\b{re.escape(word)}(?:e?s)?\b", prompt, flags=re.IGNORECASE)


def _mentioned(words: Words, prompt: str) -> tuple[str, ...]:
    """Plain names that the prompt mentions, in its order; "dark green" doesn't count as "green" too."""
    spans: list[tuple[int, int, str]] = []
    for name, synonyms in words.items():
        for word in (name, *synonyms):
            spans += [(m.start(), m.end(), name)
                      for m in re.finditer(rf"\b{re.escape(word)}\b", prompt, flags=re.IGNORECASE)]
    outer = [one for one in spans
             if not any(other[0] <= one[0] and one[1] <= other[1] and other[1] - other[0] > one[1] - one[0]
                        for other in spans)]
    return tuple(dict.fromkeys(name for _, _, name in sorted(outer)))


_vocabulary: Vocabulary | None = None


def nearest_known(prompt: str, encoder: SentenceEncoder) -> NearestKnown:
    """What the shipped prior knows of a prompt; the vocabulary is read once in a process."""
    global _vocabulary
    if _vocabulary is None:
        words = _known_words()
        _vocabulary = Vocabulary(_as_words(words["kinds"]), _as_words(words["colours"]), _as_words(words["patterns"]),
                                 encoder)
    return _vocabulary.nearest(prompt)


def in_known_words(prompt: str, encoder: SentenceEncoder, keep: Collection[str] = ()) -> str:
    """The prompt as the shipped prior reads it best (`wording.read_as`). keep: learned words, which stay."""
    known = [word for group in _known_words().values() for name, synonyms in _as_words(group).items()
             for word in (name, *synonyms)]
    return read_as(prompt, known, lambda word: len(encoder.pieces(word)) == 1, keep)


def _known_words() -> Mapping[str, Words]:
    from backend.embedded.objects import known_words

    return known_words()


def _as_words(words: Words | Sequence[str]) -> Words:
    return words if isinstance(words, Mapping) else dict.fromkeys(words, ())
