# SPDX-License-Identifier: GPL-3.0-or-later
"""From a sentence to a look, by words alone: who it is, how they are built, what they wear, how tall they are.

What is said of somebody moves sliders of the body by an amount that grows with its degree, so several words add up and
each stays monotone. What is not known is named in the reading. The body that a CLIP finds (`codebook`) may be mixed in
where the words say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backend.avatar import lexicon as lx
from backend.avatar.body import ADULT, AXES, BEYOND, body_asset
from backend.avatar.look import Look, Worn
from backend.avatar.outfits import EVERYDAY
from backend.avatar.sentence import Sentence
from protocol.errors import BadRequest


@dataclass(frozen=True)
class Reading:
    """What was read: the look, the height asked for in metres or None, words that were understood and that were not,
    notes for the user, `said`, the sliders that words have moved with the amount, and `decided`, all sliders that the
    words leave no choice in."""

    look: Look
    height_metres: float | None
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    said: Mapping[str, float] = field(default_factory=dict)
    decided: tuple[str, ...] = ()


def read(prompt: str, height_metres: float = 0.0, negative_prompt: str = "") -> Reading:
    """Reads a prompt; `height_metres` above 0 wins over what the words say, `negative_prompt` takes clothes, hair and
    beards away. Raises BadRequest with advice for an empty prompt, or one that asks for something that is no person."""
    if not prompt.strip():
        raise BadRequest("The prompt is empty.", path="prompt", hint="Say in a few words who to make.")
    reader = Sentence(prompt)
    if reader.others and not (reader.person or reader.outfit):
        raise BadRequest(
            f"An avatar is a person, and the prompt asks for a {reader.others[0]}.", path="prompt",
            hint="Make it with a text to 3D job and rig it afterwards, or say who the person is (\"a knight\").",
            detail={"found": reader.others},
        )
    notes = list(reader.notes)
    if reader.others:
        notes.append(f"Only the person is made; {', '.join(sorted(set(reader.others)))} was left out.")
    if reader.unknown:
        words = ", ".join(sorted(set(reader.unknown)))
        notes.append(f"These words say nothing about a person that it knows: {words}.")
    sliders, said = _sliders(reader, notes)
    without = {slot for word in re.findall(r"[a-z' ]+", negative_prompt.lower()) for slot in _slots_of(word.strip())}
    look = _look(reader, sliders, reader.bare | without)
    if "beard" in negative_prompt.lower():
        look = replace(look, beard="")
    height = height_metres or reader.height
    if height:
        look = with_height(look, height)
    return Reading(look, height, tuple(reader.known), tuple(dict.fromkeys(reader.unknown)), tuple(notes), said,
                   _decided(reader, said))


def _decided(reader: Sentence, said: Mapping[str, float]) -> tuple[str, ...]:
    """The sliders that words have a say in."""
    names = {*said, *(reader.outfit.sliders if reader.outfit else ())}
    if reader.women or reader.men or (reader.outfit and reader.outfit.gender is not None):
        names.add("gender")
    if reader.ages:
        names.add("age")
    return tuple(sorted(names))


def _slots_of(word: str) -> list[str]:
    kind = lx.GARMENT_WORDS.get(word)
    return [] if kind is None else [lx.SLOT_OF.get(kind, kind)]


def _sliders(reader: Sentence, notes: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """The body's sliders and by how much words moved each."""
    base = dict(ADULT)
    outfit = reader.outfit
    women, men = reader.women, reader.men
    if women > 0 and men > 0:
        base["gender"] = 0.5
        notes.append("The words say both a woman and a man; the body is between them.")
    elif women > 0 or men < 0 <= women:
        base["gender"] = 1.0
    elif men > 0 or women < 0:
        base["gender"] = 0.0
    elif outfit is not None:
        base["gender"] = outfit.gender if outfit.gender is not None else 0.0
    if outfit is not None:
        base.update(outfit.sliders)
    if reader.ages:
        base["age"] = sum(reader.ages) / len(reader.ages)
        if max(reader.ages) - min(reader.ages) > 0.3:
            notes.append("The words say different ages; the body is between them.")
    said: dict[str, float] = {}
    for name, amounts in reader.moves.items():
        if max(amounts) > 0.05 and min(amounts) < -0.05:
            notes.append(f"The words pull {name.replace('_', ' ')} both ways; the body is between them.")
        said[name] = sum(amounts)
        low = 0.0 if name in AXES else -1.0
        base[name] = min(max(base.get(name, 0.0) + said[name], low), BEYOND.get(name, 1.0))
    return base, said


def _look(reader: Sentence, sliders: dict[str, float], bare: set[str]) -> Look:
    """Hair, skin and clothes: what is said, else what goes with the calling, else ordinary things."""
    outfit = reader.outfit
    woman, age = sliders["gender"] > 0.5, sliders["age"]
    hair = reader.hair or (outfit.hair if outfit else "") or ("long" if woman else "short")
    if age < 0.12 and not reader.hair:
        hair = "buzz cut"
    natural = "grey" if age > 0.93 else "dark brown"
    hair_colour = reader.hair_colour or (outfit.hair_colour if outfit else "") or natural
    beard = reader.beard or ("" if woman or reader.no_beard or not outfit else outfit.beard)
    worn = list(outfit.worn) if outfit else []
    if outfit and reader.outfit_colour and outfit.main:
        worn = [replace(one, colour=reader.outfit_colour) if one.kind in outfit.main else one for one in worn]
    for one in reader.worn:
        worn = _put(worn, one)
    slots = {lx.SLOT_OF.get(one.kind, one.kind) for one in worn}
    if not outfit:
        plain = EVERYDAY[0]
        recolour = reader.outfit_colour
        for one in plain:
            slot = lx.SLOT_OF[one.kind]
            covered = slot in slots or ("whole" in slots and slot in ("lower", "upper"))
            if not covered:
                colour = recolour if recolour and slot != "feet" else one.colour
                worn.append(replace(one, colour=colour))
    worn = [one for one in worn if lx.SLOT_OF.get(one.kind, one.kind) not in bare]
    if not any(lx.SLOT_OF.get(one.kind) in ("lower", "whole") for one in worn):
        worn.insert(0, Worn("briefs", "black"))
    if not outfit:
        worn.sort(key=lambda one: _ORDER.get(lx.SLOT_OF.get(one.kind, one.kind), 9))
    return Look(sliders, 1.0, reader.skin or (outfit.skin if outfit else "") or "fair", hair, hair_colour,
                "" if reader.no_beard else beard, reader.eyes or "brown", tuple(worn))


_SLOTS = ("lower", "legs", "whole", "upper", "feet", "neck", "outer", "apron", "waist", "hands", "shoulders", "back",
          "cape", "face", "eyes", "head", "ears")  # fmt: skip
_ORDER = {slot: i for i, slot in enumerate(_SLOTS)}


def _put(worn: list[Worn], one: Worn) -> list[Worn]:
    """The things worn with one more, which takes the place of others of its slot."""
    slot = lx.SLOT_OF.get(one.kind, one.kind)
    gone = {slot}
    if slot == "whole" and one.kind != "dungarees":
        gone |= {"lower", "upper"}
    if slot in ("lower", "upper"):
        gone |= {"whole"}
    kept = [other for other in worn if lx.SLOT_OF.get(other.kind, other.kind) not in gone]
    at = next((i for i, other in enumerate(worn) if lx.SLOT_OF.get(other.kind) == slot), len(kept))
    return [*kept[:at], one, *kept[at:]]


def with_height(look: Look, metres: float) -> Look:
    """The look of a body that is `metres` tall: by the slider where that reaches, else by scale. Within 0.1 %."""
    asset = body_asset()

    def tall(value: float) -> float:
        return asset.evaluate({**look.sliders, "height": value}).height

    low, high = 0.0, 1.0
    if tall(low) < metres < tall(high):
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (middle, high) if tall(middle) < metres else (low, middle)
        value = (low + high) / 2
    else:
        value = 0.0 if metres <= tall(0.0) else 1.0
    sliders = {**look.sliders, "height": value}
    return replace(look, sliders=sliders, scale=metres / asset.evaluate(sliders).height)
