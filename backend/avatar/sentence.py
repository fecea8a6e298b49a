# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sentence says of somebody: how they are built, how old they are, what they wear, hair, beard, skin and eyes.

`phrases` takes the sentence apart; here each noun gives what was said before it its meaning. Words that are no part of
the lexicon are kept, so that the user can be told.
"""

from __future__ import annotations

from dataclasses import replace

from backend.avatar import lexicon as lx
from backend.avatar.look import Worn
from backend.avatar.outfits import OUTFITS, Outfit
from backend.avatar.phrases import Phrase, Words, take_height


class Sentence:
    """One prompt, read once; its attributes are what was found."""

    def __init__(self, prompt: str):
        self.height, text = take_height(prompt.lower().replace("’", "'"))
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
        takes = {
            "alone": self._take_alone, "pattern": self._take_pattern, "person": self._take_person,
            "calling": self._take_calling, "garment": self._take_garment, "hair": self._take_hair,
            "style": self._take_style, "beard": self._take_beard, "skin": self._take_skin, "eyes": self._take_eyes,
            "part": self._take_part, "bare": self._take_bare, "people": self._take_people, "other": self._take_other,
        }
        for clause in Words(text).clauses():
            takes[clause.kind](clause.value, clause.phrase)
            if clause.kind not in ("other", "alone"):
                self.known.append(clause.said)

    def _take_alone(self, _: str, phrase: Phrase) -> None:
        """Adjectives without a noun are said of the person; a colour alone of what they wear."""
        self._describe(phrase.words)
        if phrase.colours and not phrase.denied:
            self.outfit_colour = self.outfit_colour or phrase.colours[-1]

    def _take_pattern(self, _: str, phrase: Phrase) -> None:
        """What has the pattern is said by the noun that follows."""

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
