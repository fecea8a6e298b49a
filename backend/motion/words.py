# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence about a motion, understood: parts in their order, and for each what is done, how, how long, which way.

"walks in tired, then waves for 3 seconds" has two parts; "waves while walking" has one part with a layer over it.
No model is needed: words are looked up in `lexicon`, and the rest are a few patterns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from backend.motion.lexicon import found, tokens

NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
           "nine": 9, "ten": 10, "twelve": 12, "twenty": 20, "thirty": 30, "half": 0.5, "once": 1, "twice": 2,
           "couple": 2, "few": 3}
NUMBER = r"(\d+(?:\.\d+)?|" + "|".join(NUMBERS) + r")"
THEN = re.compile(
    r"\s*(?:,|;|\.|\band\b)?\s*\b(?:and then|then|afterwards|after that|before|followed by|next|finally)\b"
    r"\s*,?\s*|\s*[;.,]\s+|\s*->\s*",
)
WHILE = re.compile(r"\s*,?\s*\b(?:while|whilst|as (?:he|she|it|they) (?=\w)|at the same time as|simultaneously)\b\s*")
AND = re.compile(r"\s+and\s+")


@dataclass(frozen=True)
class Part:
    """One thing that is done. text: as written. concepts: what it is, in the order of the words. manners: words of
    `manner.MANNERS`. seconds, times, metres, degrees: as said, 0 where nothing is. direction: left, right, back, in,
    out, up or empty. loop: said to go on. layers: done at the same time."""

    text: str
    concepts: tuple[str, ...]
    manners: tuple[str, ...] = ()
    seconds: float = 0.0
    times: int = 0
    metres: float = 0.0
    degrees: float = 0.0
    direction: str = ""
    loop: bool = False
    layers: tuple[Part, ...] = field(default=())


def parse(prompt: str) -> list[Part]:
    """The parts of a sentence; at least one. A manner that is said of the first holds for those that follow without
    one."""
    text = " ".join(prompt.lower().split())
    parts: list[Part] = []
    for piece in THEN.split(text):
        if piece and piece.strip(" ,.;"):
            parts += _together(piece.strip(" ,.;"))
    if not parts:
        parts = [_single(text)]
    merged: list[Part] = []
    for part in parts:
        again = bool(merged) and part.concepts[:1] == merged[-1].concepts[:1] and not part.layers
        if merged and (not part.concepts or again):  # "..., slowly": belongs to what was said before
            last = merged[-1]
            merged[-1] = Part(
                f"{last.text}, {part.text}", tuple(dict.fromkeys(last.concepts + part.concepts)),
                (*last.manners, *part.manners),
                last.seconds or part.seconds, last.times or part.times, last.metres or part.metres,
                last.degrees or part.degrees, last.direction or part.direction, last.loop or part.loop, last.layers,
            )
        else:
            merged.append(part)
    return merged


def _together(piece: str) -> list[Part]:
    """A piece between two "then"s: one part with layers, or two where "and" joins what cannot be done at once."""
    sides = WHILE.split(piece)
    if len(sides) > 1:
        first, *others = [_single(side) for side in sides if side.strip()] or [_single(piece)]
        return [_with_layers(first, [other for other in others if other.concepts])]
    joined = AND.split(piece)
    singles = [_single(one) for one in joined]
    if len(singles) > 1 and all(one.concepts for one in singles) and not _one_phrase(piece, singles):
        if _legs(singles[0]) != _legs(singles[1]) and len(singles) == 2:
            return [_with_layers(*((singles[0], singles[1:]) if _legs(singles[0]) else (singles[1], singles[:1])))]
        return singles
    return [_single(piece)]


def _one_phrase(piece: str, singles: list[Part]) -> bool:
    """Whether "and" stands inside one phrase of the lexicon (hands and knees), or joins two words for one thing."""
    whole = [concepts for _, _, concepts in found(tokens(piece))]
    if len(whole) < sum(len(one.concepts) > 0 for one in singles):
        return True
    return len({one.concepts[0] for one in singles}) == 1


LEG_CONCEPTS = frozenset({"walk", "run", "jog", "sneak", "backwards", "sidestep", "crawl"})


def _legs(part: Part) -> bool:
    return any(concept in LEG_CONCEPTS for concept in part.concepts)


def _with_layers(first: Part, others: list[Part]) -> Part:
    """The legs lead: "waves while walking" is a walk with a wave over it."""
    every = [first, *others]
    base = next((one for one in every if _legs(one)), first)
    rest = tuple(one for one in every if one is not base)
    seconds = max(one.seconds for one in every)
    return Part(base.text, base.concepts, base.manners, seconds, base.times, base.metres, base.degrees, base.direction,
                any(one.loop for one in every), rest)


def _single(text: str) -> Part:
    stems = tokens(text)
    concepts: list[str] = []
    for _, _, meant in found(stems):
        concepts += [one for one in sorted(meant) if one not in concepts]
    if concepts[:1] == ["throw"] and len(concepts) > 1:  # "throw a jab": what is thrown says more
        concepts = [*concepts[1:], "throw"]
    manners: list[str] = []
    for _, _, meant in found(stems, manners=True):
        manners += [one for one in sorted(meant) if one not in manners]
    if re.search(r"\bvery\b|\bextremely\b|\breally\b|\bas \w+ as (?:you|he|she|they) can\b", text):
        manners += [one for one in manners if one in ("fast", "slow", "tired", "happy", "sad", "drunk")]
    degrees = _amount(text, r"\s*(?:degrees?|°)")
    if re.search(r"\b(?:around|about[- ]face|other way|half turn)\b", text) and not degrees:
        degrees = 180.0
    if re.search(r"\bfull (?:turn|circle)\b|\b360\b", text):
        degrees = 360.0
    metres = _amount(text, r"\s*(?:m|metres?|meters?)\b") or 0.7 * _amount(text, r"\s*(?:steps?|paces?)\b")
    times = int(_amount(text, r"\s*(?:times|x)\b")) or (2 if re.search(r"\btwice\b", text) else 0)
    way = re.search(r"\b(left|right|in|out|up|forwards?|backwards?|back)\b", text)
    direction = {"backward": "back", "backwards": "back", "forward": "", "forwards": ""}.get(
        way.group(1), way.group(1)) if way else ""
    return Part(
        text, tuple(concepts), tuple(manners), _amount(text, r"(?:(?<=\d)\s*|[\s-]+)(?:s|secs?|seconds?)\b"), times,
        metres, degrees, direction,
        bool(re.search(r"\b(?:loop|looping|forever|endless|endlessly|keeps? on|continuous(?:ly)?)\b", text)),
    )


def _amount(text: str, unit: str) -> float:
    if re.search(rf"\bhalf an?{unit}", text):
        return 0.5
    match = re.search(rf"\b{NUMBER}{unit}", text)
    if match is None:
        return 0.0
    word = match.group(1)
    return float(NUMBERS.get(word, 0) or (float(word) if word[0].isdigit() else 0.0))
