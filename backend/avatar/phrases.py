# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of a sentence about somebody: nouns, what stands before them, degrees and negations.

"a very tall man without a long beard" has two clauses; what stands before a noun is said of that noun, and what has
none is said of the person. What a clause means is `sentence`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from backend.avatar import lexicon as lx
from backend.avatar.outfits import OUTFITS
from protocol.errors import BadRequest

_FILLERS = """
    a an the and with of in wearing wears dressed who is has have having are was that this his her their its as at on to
    by for from looks looking like body build built type figure one made unreal engine 3d rendering render full standing
    clothes clothing outfit garments colour color coloured colored man's woman's skinned hair haired beautiful handsome
    pretty friendly happy realistic photo picture portrait it but or also then very age year years wearer over under
    around holding some pair set matching cute nice smiling serious stature height guy
"""
FILLERS = frozenset(re.split(r"\s+", _FILLERS.strip()))
BREAKS = ("with", "wearing", "wears", "in", "and", ",", "who", "has", "having", "but", "dressed", ".", ";", "is",
          "that", "on", "or", "nor", "over")  # fmt: skip
STYLES = ("bob", "ponytail", "pigtails", "braids", "plaits", "bun", "afro", "mohawk")
FEET, INCH = 0.3048, 0.0254
SHORTEST, TALLEST = 0.45, 2.6  # metres that a number in the prompt may say


@dataclass
class Phrase:
    """Words before a noun: (word, degree), its colours, pattern, and whether it is denied."""

    words: list[tuple[str, float]] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    pattern: str = ""
    denied: bool = False


@dataclass(frozen=True)
class Clause:
    """A noun with its phrase. kind: what sort of noun it is, "alone" for adjectives without one, "pattern" for the name
    of a pattern. value: the noun in the lexicon's word. said: in the user's."""

    kind: str
    value: str
    said: str
    phrase: Phrase


def take_height(text: str) -> tuple[float | None, str]:
    """(the height that the text says in metres, centimetres or feet, in metres; the rest of it). Raises BadRequest."""
    patterns = (
        (r"(\d)\s*(?:m|metres?|meters?)\s*(\d\d)\b", lambda m: int(m[1]) + int(m[2]) / 100),
        (r"(\d+[.,]\d+|\d)\s*(?:m|metres?|meters?)\b", lambda m: float(m[1].replace(",", "."))),
        (r"(\d{2,3})\s*(?:cm|centimetres?|centimeters?)\b", lambda m: int(m[1]) / 100),
        (r"(\d)\s*(?:'|ft\.?|feet|foot)\s*(\d{1,2})\s*(?:\"|''|in\.?|inch(?:es)?)?",
         lambda m: int(m[1]) * FEET + int(m[2]) * INCH),
        (r"(\d)\s*(?:feet|foot|ft)\b", lambda m: int(m[1]) * FEET),
    )  # fmt: skip
    for pattern, value in patterns:
        found = re.search(pattern, text)
        if found:
            metres = float(value(found))
            if not SHORTEST <= metres <= TALLEST:
                raise BadRequest(
                    f"The prompt asks for a person of {metres:.2f} m, expected {SHORTEST} to {TALLEST} m.",
                    path="prompt", hint="Make the figure at a person's height and scale the object afterwards.",
                )
            # "1.9 m tall" says one thing, not two.
            rest = re.sub(r"^\s*(tall|high|in height|of height)", " ", text[found.end() :])
            return metres, text[: found.start()] + " " + rest
    return None, text


class Words:
    """The words of a text in lower case, to be read from left to right."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"[-/_]", " ", text.replace("middle-aged", "middleaged")).replace("middleaged", "middle-aged")
        self.tokens = re.findall(r"[a-z][a-z'\-]*|[,.;]|\d+", text)

    def clauses(self) -> Iterator[Clause]:
        """Each noun with what is said before it, adjectives without a noun, and patterns, in the order of the words."""
        phrase, i = Phrase(), 0
        degree = 1.0
        denied = False
        while i < len(self.tokens):
            word = self.tokens[i]
            length, kind, value = self._noun(i)
            if word in lx.NEGATIONS or word.endswith("n't"):
                denied = phrase.denied = True
            elif word in lx.DEGREES and not (word == "little" and self._follows_noun(i + 1)):
                degree = degree * lx.DEGREES[word] if degree != 1.0 else lx.DEGREES[word]
            elif kind:
                yield Clause(kind, value, " ".join(self.tokens[i : i + length]), phrase)
                i += length
                denied = denied and self.tokens[i : i + 1] in (["or"], ["nor"])
                phrase, degree = Phrase(denied=denied), 1.0
                continue
            elif (colour := self._longest(lx.COLOUR_WORDS, i))[0]:
                phrase.colours.append(lx.COLOUR_WORDS[colour[1]])
                phrase.words.append((colour[1], degree))
                i += colour[0]
                degree = 1.0
                continue
            elif (pattern := self._longest(lx.PATTERN_WORDS, i))[0]:
                phrase.pattern = lx.PATTERN_WORDS[pattern[1]]
                yield Clause("pattern", phrase.pattern, pattern[1], phrase)
                i += pattern[0]
                continue
            elif word in BREAKS:
                if phrase.words and word not in (",", "and"):
                    yield Clause("alone", "", "", phrase)
                    phrase = Phrase(denied=False)
                if word not in ("or", "nor"):
                    denied = False
                    degree = 1.0
                if word not in (",", "and", "or", "nor"):
                    phrase.denied = False
            elif word not in FILLERS or word in lx.BUILD or word in lx.AGES:
                phrase.words.append((word, lx.NEGATED * degree if denied else degree))
                degree = 1.0
            i += 1
        yield Clause("alone", "", "", phrase)

    def _follows_noun(self, i: int) -> bool:
        return i < len(self.tokens) and self._noun(i)[1] != ""

    def _longest(self, table: Mapping[str, str], i: int) -> tuple[int, str]:
        """(tokens, phrase) of the longest entry that begins at token i; (0, "") for none."""
        for length in (3, 2, 1):
            phrase = " ".join(self.tokens[i : i + length])
            if phrase in table and i + length <= len(self.tokens):
                return length, phrase
        return 0, ""

    def _noun(self, i: int) -> tuple[int, str, str]:
        """(tokens, kind, value) of the noun that begins at token i; kind "" for none."""
        for length in (3, 2, 1):
            if i + length > len(self.tokens):
                continue
            name = " ".join(self.tokens[i : i + length])
            for outfit in OUTFITS:
                if name in outfit.words or name.endswith("s") and name[:-1] in outfit.words:
                    return length, "calling", outfit.words[0]
            if name in lx.GARMENT_WORDS:
                return length, "garment", lx.GARMENT_WORDS[name]
            if name in ("buzz cut", "crew cut"):
                return length, "style", name
        word = self.tokens[i]
        if word in lx.HAIR_HEADS:
            return 1, "hair", word
        if word in STYLES or word in ("bald", "brunette", "redhead"):
            return 1, "style", word
        if word in ("blonde", "blond") and not self._hair_ahead(i):
            return 1, "style", word
        if word in lx.BEARD_WORDS:
            return 1, "beard", word
        if word in ("skin", "skinned"):
            return 1, "skin", word
        if word in ("eyes", "eyed"):
            return 1, "eyes", word
        if word in lx.PARTS and not (word == "head" and i + 1 < len(self.tokens) and self.tokens[i + 1] == "of"):
            return 1, "part", word
        if word in lx.BARE:
            return 1, "bare", word
        if word in lx.PEOPLES:
            return 1, "people", word
        if word in lx.PEOPLE:
            return 1, "person", word
        one = word.removesuffix("s")
        if one in lx.CREATURES or one in lx.THINGS or word in lx.CREATURES:
            return 1, "other", one
        return 0, "", ""

    def _hair_ahead(self, i: int) -> bool:
        heads = (*lx.HAIR_HEADS, *STYLES, "beard", "moustache")
        return any(word in heads for word in self.tokens[i + 1 : i + 3])
