# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions of people in varied wording, from what decides the picture: body, calling, hair, clothes, close or whole."""

from __future__ import annotations

import numpy as np

from backend.avatar.headgear import CLOSED
from backend.avatar.look import Look, Worn
from backend.avatar.outfits import outfit_named
from backend.embedded.objects.captions import with_article

from .sampling import FigureSample

Rng = np.random.Generator | None  # None gives the plain wording
_FRAMES = ("{}", "{}", "{}", "a 3d model of {}", "a 3d rendering of {}", "a picture of {}", "{}, standing",
           "a character: {}")  # fmt: skip
_CLOSE = ("the face of {}", "the head of {}", "a portrait of {}", "a close-up of the face of {}")
_FOOT = ("shoes", "trainers", "boots", "tall boots", "sandals")
_PLURAL = (*_FOOT, "trousers", "jeans", "shorts", "leggings", "dungarees", "overalls", "glasses", "sunglasses",
           "headphones", "gloves", "fire trousers", "gauntlets", "socks", "pauldrons", "briefs")  # fmt: skip


def plain_caption(one: FigureSample) -> str:
    """The caption in plain words."""
    return captions(one, None, 1)[0]


def captions(one: FigureSample, rng: Rng, count: int) -> list[str]:
    """`count` captions in varied wording."""
    return [_caption(one, rng) for _ in range(count)]


def _caption(one: FigureSample, rng: Rng) -> str:
    phrase = with_article(_person(one, rng))
    frames = _CLOSE if one.close else _FRAMES
    return frames[0 if rng is None else int(rng.integers(len(frames)))].format(phrase)


def _chance(rng: Rng, share: float) -> bool:
    return rng is None or bool(rng.random() < share)


def _person(one: FigureSample, rng: Rng) -> str:
    look = one.look
    words = _build(look, rng)
    age, woman = look.sliders.get("age", 0.7), look.sliders.get("gender", 0.5) > 0.5
    old = age > 0.9
    if one.calling:
        outfit = outfit_named(one.calling)
        assert outfit is not None
        noun = outfit.words[0] if rng is None or rng.random() < 0.7 else str(rng.choice(outfit.words))
        # A calling that says neither which sex nor which age may get them said.
        if outfit.gender is None and _chance(rng, 0.6):
            words.append("female" if woman else "male")
        if old and "age" not in outfit.sliders and _chance(rng, 0.8):
            words.insert(0, "old")
        if one.recoloured:
            noun = f"{one.recoloured} {noun}" if _chance(rng, 0.5) else f"{noun} in {one.recoloured}"
        return " ".join([*words, noun]) + _hair(look, rng, 0.4)
    child = age < 0.52
    noun = ("girl" if child else "woman") if woman else ("boy" if child else "man")
    if old:
        words.append("old" if _chance(rng, 0.6) else "elderly")
    return " ".join([*words, noun]) + _hair(look, rng, 0.7) + _clothes(look, one.close, rng)


def _build(look: Look, rng: Rng) -> list[str]:
    out = []
    sliders = look.sliders
    if sliders.get("height", 0.5) > 0.68 and _chance(rng, 0.7):
        out.append("tall")
    elif sliders.get("height", 0.5) < 0.32 and _chance(rng, 0.7):
        out.append("short")
    if sliders.get("weight", 0.5) > 0.78 and _chance(rng, 0.8):
        out.append("fat" if _chance(rng, 0.5) else "overweight")
    elif sliders.get("weight", 0.5) < 0.24 and _chance(rng, 0.8):
        out.append("thin" if _chance(rng, 0.5) else "slim")
    elif sliders.get("muscle", 0.5) > 0.8 and _chance(rng, 0.8):
        out.append("muscular")
    if look.skin in ("dark", "brown") and _chance(rng, 0.5):
        out.append("dark-skinned")
    elif look.skin in ("green", "blue", "red", "grey"):
        out.append(f"{look.skin}-skinned")
    return out


_STYLES = {
    "tousled": "tousled hair", "short": "short hair", "long": "long hair", "bob": "a bob", "ponytail": "a ponytail",
    "bun": "a bun", "afro": "an afro", "mohawk": "a mohawk", "braids": "braids", "buzz cut": "a buzz cut",
}  # fmt: skip


def _hair(look: Look, rng: Rng, share: float) -> str:
    if look.wears(*CLOSED) or not _chance(rng, share):
        return ""
    parts = []
    if look.hair == "bald":
        parts.append("a bald head")
    else:
        words = _STYLES[look.hair].split()
        at = 1 if words[0] in ("a", "an") else 0
        coloured = [*words[:at], look.hair_colour, *words[at:]]
        if coloured[0] in ("a", "an"):
            coloured[0] = "an" if coloured[1][0] in "aeiou" else "a"
        parts.append(" ".join(coloured))
    if look.beard:
        parts.append(look.beard if look.beard == "stubble" else f"a {look.beard}")
    return " with " + " and ".join(parts)


def _clothes(look: Look, close: bool, rng: Rng) -> str:
    said = [one for one in look.worn if one.kind not in _FOOT or _chance(rng, 0.5)]
    if close:  # a head shows the hat and the top
        said = said[-2:]
    if not said:
        return ""
    phrases = [worn_phrase(one) for one in said]
    if rng is not None:
        phrases = [phrases[i] for i in rng.permutation(len(phrases))]
    joined = phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
    verb = ("wearing", "in", "dressed in")[0 if rng is None else int(rng.integers(3))]
    return f" {verb} {joined}"


def worn_phrase(one: Worn) -> str:
    """"a red striped shirt", "black boots"."""
    colour = "blue" if one.colour == "denim" else one.colour
    phrase = " ".join(word for word in (colour, one.pattern, one.kind) if word)
    return phrase if one.kind in _PLURAL else with_article(phrase)
