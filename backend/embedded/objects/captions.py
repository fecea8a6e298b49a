# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions of a recipe in varied wording, and the words the prior knows.

A caption says everything that determines the picture (kind, colour, pattern, second colour, proportion, relation) and
nothing that does not; only the words for it and their order vary. `plain_caption` uses the plain names throughout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .catalogue import KINDS, kind_named
from .palette import COLOUR_SYNONYMS, COLOURS, PATTERNS, PROPORTIONS
from .recipe import Recipe
from .vocabulary import CORE, Vocabulary

_NAME_FIRST = 0.6  # how often the plain name is used rather than one of its synonyms
_RELATION_WORDS = {
    "on": ("on", "on top of", "standing on"),
    "next to": ("next to", "beside"),
    "wearing": ("wearing", "with", "that wears"),
}
_FRAMES = (
    ("{a}", 0.5),
    ("{bare}", 0.3),
    ("a 3d model of {a}", 0.05),
    ("a picture of {a}", 0.03),
    ("a photo of {a}", 0.03),
    ("a toy: {a}", 0.01),
    ("one {bare}", 0.02),
    ("{a}, 3d render", 0.03),
    ("{a} on a plain background", 0.03),
)
_FRAME_WEIGHTS = np.array([w for _, w in _FRAMES]) / sum(w for _, w in _FRAMES)

Rng = np.random.Generator | None  # None gives the plain wording


def with_article(phrase: str) -> str:
    """'apple' -> 'an apple'."""
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"


def _word(name: str, synonyms: Sequence[str], rng: Rng) -> str:
    if rng is None or not synonyms or rng.random() < _NAME_FIRST:
        return name
    return synonyms[int(rng.integers(len(synonyms)))]


def _pick(options: Sequence[str], rng: Rng) -> str:
    return options[0] if rng is None else options[int(rng.integers(len(options)))]


def _colour(name: str, rng: Rng) -> str:
    return _word(name, COLOUR_SYNONYMS[name], rng)


def _plain(recipe: Recipe, kind: str, size: str, rng: Rng) -> str:
    colour = _colour(recipe.colour, rng)
    if not recipe.second:
        return _pick(
            (f"{size}{colour} {kind}", f"{size}{colour} {kind}", f"{size}{colour} {kind}", f"{size}{colour} {kind}",
             f"{size}{kind}, painted {colour}", f"{size}{kind} in {colour}", f"{size}{kind} that is {colour}"),
            rng,
        )  # fmt: skip
    accent, second = KINDS[recipe.kind].accent, _colour(recipe.second, rng)
    part = f"{second} {accent}" if accent.endswith("s") else with_article(f"{second} {accent}")
    return f"{size}{colour} {kind} with {part}"


def _patterned(recipe: Recipe, kind: str, size: str, rng: Rng) -> str:
    pattern = PATTERNS[recipe.pattern]
    adjective = _word(pattern.words[0], pattern.words[1:], rng)
    if pattern.own is not None:
        options = [f"{size}{adjective} {kind}", f"{size}{adjective} {kind}", f"{size}{adjective} {kind}"]
        options += [f"{size}{kind} made of {m}" for m in pattern.made_of]
        return _pick(options, rng)
    colour = _colour(recipe.colour, rng)
    noun = _word(pattern.nouns[0], pattern.nouns[1:], rng)
    if pattern.second:
        second = _colour(recipe.second or "white", rng)
        options = [f"{size}{colour} {kind} with {second} {noun}", f"{size}{colour} and {second} {adjective} {kind}"]
        if (recipe.second or "white") == "white":
            options += [f"{size}{colour} {adjective} {kind}", f"{size}{adjective} {colour} {kind}"]
        return _pick(options, rng)
    return _pick(
        (
            f"{size}{adjective} {colour} {kind}",
            f"{size}{colour} {adjective} {kind}",
            f"{size}{colour} {kind} with {noun}",
        ),
        rng,
    )


def phrase(recipe: Recipe, rng: Rng = None) -> str:
    """The noun phrase of a recipe without its article."""
    known = kind_named(recipe.kind)
    kind = _word(known.name, known.synonyms, rng)
    size = _pick(PROPORTIONS[recipe.proportion][1], rng) + " " if recipe.proportion else ""
    own = (_plain if recipe.pattern == "plain" else _patterned)(recipe, kind, size, rng)
    if recipe.other is None:
        return own
    return f"{own} {_pick(_RELATION_WORDS[recipe.relation], rng)} {with_article(phrase(recipe.other, rng))}"


def plain_caption(recipe: Recipe) -> str:
    """The caption in plain names: 'a red mug', 'a red mushroom with white dots'."""
    return with_article(phrase(recipe))


def captions(recipe: Recipe, rng: np.random.Generator, n: int) -> list[str]:
    """n captions of a recipe, drawn independently."""
    result = []
    for _ in range(n):
        bare = phrase(recipe, rng)
        frame = _FRAMES[int(rng.choice(len(_FRAMES), p=_FRAME_WEIGHTS))][0]
        result.append(frame.format(a=with_article(bare), bare=bare))
    return result


def known_words(vocabulary: Vocabulary = CORE) -> dict[str, dict[str, list[str]]]:
    """What a prior of this vocabulary knows: kinds, colours, patterns and proportions, {plain name: synonyms} each."""
    return {
        "kinds": {k.name: list(k.synonyms) for k in vocabulary.all},
        "colours": {name: list(COLOUR_SYNONYMS[name]) for name in COLOURS},
        "patterns": {
            name: [*dict.fromkeys(w for w in (*p.words, *p.nouns, *p.made_of) if w != name)]
            for name, p in PATTERNS.items()
            if name in vocabulary.patterns
        },
        "proportions": {name: [w for w in words if w != name] for name, (_, words) in PROPORTIONS.items()},
    }
