# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence about somebody, taken apart: phrases with what is said before their nouns, in degrees and negations.

"a very tall man without a long beard" has two phrases; what stands before a noun is said of that noun, and what has
none is said of the person. Words that are no part of the lexicon are kept, so that the user can be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backend.avatar import lexicon as lx
from backend.avatar.look import Worn
from backend.avatar.outfits import OUTFITS, Outfit
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


class Sentence:
    """One prompt, read once; its attributes are what was found."""

    def __init__(self, prompt: str):
        self.height: float | None = None
        text = self._heights(prompt.lower().replace("’", "'"))
        text = re.sub(r"[-/_]", " ", text.replace("middle-aged", "middleaged")).replace("middleaged", "middle-aged")
        self.tokens = re.findall(r"[a-z][a-z'\-]*|[,.;]|\d+", text)
        self.moves: dict[str, list[float]] = {}
        self.ages: list[float] = []
        self.women = self.men = 0
        self.outfit: Outfit | None = None
        self.outfit_colour = ""
        self.worn: list[Worn] = []
        self.bare: set[str] = set()
        self.person = False
        self.others: list[str] = []
        self.hair = self.hair_colour = self.beard = self.skin = self.eyes = ""
        self.no_beard = False
        self.known: list[str] = []
        self.unknown: list[str] = []
        self.notes: list[str] = []
        self._read()

    def _heights(self, text: str) -> str:
        """Takes a height in metres, centimetres or feet out of the text."""
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
                self.height = metres
                # "1.9 m tall" says one thing, not two.
                rest = re.sub(r"^\s*(tall|high|in height|of height)", " ", text[found.end() :])
                return text[: found.start()] + " " + rest
        return text

    def _read(self) -> None:
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
                self._take(kind, value, " ".join(self.tokens[i : i + length]), phrase)
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
                self.known.append(pattern[1])
                i += pattern[0]
                continue
            elif word in BREAKS:
                if phrase.words and word not in (",", "and"):
                    self._alone(phrase)
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
        self._alone(phrase)

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

    def _take(self, kind: str, value: str, said: str, phrase: Phrase) -> None:
        """Gives a noun what was said before it."""
        getattr(self, f"_take_{kind}")(value, phrase)
        if kind != "other":
            self.known.append(said)

    def _alone(self, phrase: Phrase) -> None:
        """Adjectives without a noun are said of the person; a colour alone of what they wear."""
        self._describe(phrase.words)
        if phrase.colours and not phrase.denied:
            self.outfit_colour = self.outfit_colour or phrase.colours[-1]

    def _describe(self, words: list[tuple[str, float]]) -> None:
        for word, degree in words:
            if word in lx.AGES:
                self._age(word, degree)
            elif word in lx.BUILD:
                for name, amount in lx.BUILD[word].items():
                    self.moves.setdefault(name, []).append(amount * degree)
            elif word in lx.HAIR_WORDS and word not in lx.MORE and word not in lx.LESS:
                self.hair = lx.HAIR_WORDS[word]
            elif word not in lx.COLOUR_WORDS:
                self.unknown.append(word)
                continue
            self.known.append(word)

    def _age(self, word: str, degree: float) -> None:
        target = lx.AGES[word]
        self.ages.append(min(max(lx.YOUNG_ADULT + (target - lx.YOUNG_ADULT) * degree, 0.0), 1.0))

    def _take_person(self, word: str, phrase: Phrase) -> None:
        self.person = True
        if word in lx.WOMEN:
            self.women += -1 if phrase.denied else 1
        if word in lx.MEN:
            self.men += -1 if phrase.denied else 1
        if word in lx.AGES and not phrase.denied:
            self._age(word, 1.0)
        self._describe(phrase.words)
        if phrase.colours and phrase.colours[-1] in ("green", "blue", "red", "grey"):
            self.skin = phrase.colours[-1]

    def _take_calling(self, value: str, phrase: Phrase) -> None:
        self.person = True
        if phrase.denied:
            return
        if self.outfit is not None and self.outfit.words[0] != value:
            first = self.outfit.words[0]
            self.notes.append(f"Nobody is a {first} and a {value} at once; it is a {first}.")
        else:
            self.outfit = next(one for one in OUTFITS if one.words[0] == value)
        self._describe(phrase.words)
        if phrase.colours:
            self.outfit_colour = phrase.colours[-1]

    def _take_garment(self, value: str, phrase: Phrase) -> None:
        kinds = ("suit jacket", "trousers") if value == "business suit" else (value,)
        if phrase.denied:
            self.bare.update(lx.SLOT_OF.get(kind, kind) for kind in kinds)
            return
        if value == "skirt" and any(word in ("short", "tiny") for word, _ in phrase.words):
            kinds = ("mini skirt",)
        elif value in ("skirt", "dress") and any(word == "long" for word, _ in phrase.words):
            kinds = ("long skirt" if value == "skirt" else "gown",)
        elif value == "boots" and any(word in ("tall", "high", "long") for word, _ in phrase.words):
            kinds = ("tall boots",)
        elif value == "hat" and any(word in ("pointed", "pointy", "wizard", "witch") for word, _ in phrase.words):
            kinds = ("wizard hat",)
        for kind in kinds:
            first, second = lx.DEFAULT_COLOURS.get(kind, lx.PLAIN_COLOURS)
            if phrase.colours:
                first, second = phrase.colours[0], phrase.colours[1] if len(phrase.colours) > 1 else (
                    second if second != phrase.colours[0] else "white")  # fmt: skip
            if kind == "shirt" and any(word in ("hawaiian", "flannel") for word, _ in phrase.words):
                phrase.pattern = phrase.pattern or "chequered"
            self.worn.append(Worn(kind, first, second, phrase.pattern))
        if value == "business suit":
            self.worn[-1] = replace(self.worn[-1], colour=self.worn[-2].colour)  # trousers as the jacket
            self.worn += [Worn("shirt", "white"), Worn("shoes", "black")]

    def _take_hair(self, _: str, phrase: Phrase) -> None:
        if phrase.denied:
            self.hair = "bald"
            return
        for word, _degree in phrase.words:
            if word in lx.HAIR_COLOUR_WORDS:
                self.hair_colour = lx.HAIR_COLOUR_WORDS[word]
            elif word in lx.HAIR_WORDS:
                self.hair = lx.HAIR_WORDS[word]
            else:
                self._describe([(word, _degree)])
            self.known.append(word)

    def _take_style(self, word: str, phrase: Phrase) -> None:
        if phrase.denied:
            return
        if word in ("brunette", "redhead", "blonde", "blond"):
            self.hair_colour = lx.HAIR_COLOUR_WORDS[word]
            self.person = self.person or word in ("brunette", "redhead")
            self._describe(phrase.words)
            return
        self.hair = lx.HAIR_WORDS[word]
        rest = []
        for one, degree in phrase.words:
            if one in lx.HAIR_COLOUR_WORDS:
                self.hair_colour = lx.HAIR_COLOUR_WORDS[one]
            elif word == "bald" or one not in ("long", "short", "big", "large", "high", "small"):
                rest.append((one, degree))
        self._describe(rest)

    def _take_beard(self, word: str, phrase: Phrase) -> None:
        if phrase.denied:
            self.no_beard = True
            return
        self.beard = lx.BEARD_WORDS[word]
        rest = []
        for one, degree in phrase.words:
            if one in ("long", "flowing", "huge", "big", "bushy") and self.beard == "beard":
                self.beard = "long beard" if one != "bushy" else "beard"
            elif one in lx.HAIR_COLOUR_WORDS and word not in ("bearded", "unshaven"):
                self.hair_colour = self.hair_colour or lx.HAIR_COLOUR_WORDS[one]
            elif one not in ("short", "small", "thick", "trimmed", "neat"):
                rest.append((one, degree))
        self._describe(rest)

    def _take_skin(self, _: str, phrase: Phrase) -> None:
        for word, degree in phrase.words:
            if word in lx.SKIN_WORDS:
                self.skin = lx.SKIN_WORDS[word]
            else:
                self._describe([(word, degree)])

    def _take_eyes(self, _: str, phrase: Phrase) -> None:
        for word, degree in phrase.words:
            if word in ("brown", "blue", "green", "grey", "gray"):
                self.eyes = "grey" if word == "gray" else word
            elif word not in ("big", "large", "small", "dark"):
                self._describe([(word, degree)])

    def _take_part(self, word: str, phrase: Phrase) -> None:
        name = lx.PARTS[word]
        sized = False
        rest = []
        for one, degree in phrase.words:
            slider, sign = name, 0.0
            if name in lx.THICKNESS_OF and one in (*lx.THICK, *lx.THIN):
                slider, sign = lx.THICKNESS_OF[name], 1.0 if one in lx.THICK else -1.0
            elif one in lx.MORE:
                sign = 1.0
            elif one in lx.LESS:
                sign = -1.0
            elif one in lx.SKIN_WORDS:
                continue
            else:
                rest.append((one, degree))
                continue
            sized = True
            much = lx.NEGATED * abs(degree) if phrase.denied else degree
            self.moves.setdefault(slider, []).append(sign * lx.PART_MOVE * much)
            self.known.append(one)
        if not sized and word in lx.BELLIES:
            self.moves.setdefault(name, []).append((-0.5 if phrase.denied else 1.0) * lx.PART_MOVE)
        self._describe(rest)

    def _take_bare(self, word: str, phrase: Phrase) -> None:
        if not phrase.denied:
            self.bare.add(lx.BARE[word])
        self._describe(phrase.words)

    def _take_people(self, word: str, phrase: Phrase) -> None:
        self.skin = lx.PEOPLES[word]
        self._describe(phrase.words)

    def _take_other(self, value: str, phrase: Phrase) -> None:
        self.others.append(value)
        self._describe([one for one in phrase.words if one[0] in lx.AGES])
