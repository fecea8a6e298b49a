# SPDX-License-Identifier: GPL-3.0-or-later
"""What people of a calling wear, and how they tend to look: firefighters, wizards, doctors, and plain folk.

The first thing with `main` in an outfit takes a colour that is said of the whole ("a red wizard").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.avatar.look import Worn


@dataclass(frozen=True)
class Outfit:
    """words: what it is called, the plain word first. worn: from the inside out. main: kinds that take the colour of
    the whole. sliders, hair, hair_colour, beard, skin: what goes with it unless the words say otherwise; gender: 0, 1
    or None for either."""

    words: tuple[str, ...]
    worn: tuple[Worn, ...]
    main: tuple[str, ...] = ()
    sliders: Mapping[str, float] = field(default_factory=dict)
    hair: str = ""
    hair_colour: str = ""
    beard: str = ""
    skin: str = ""
    gender: float | None = None


W = Worn
OUTFITS: tuple[Outfit, ...] = (
    Outfit(("firefighter", "fireman", "fire fighter", "firewoman"),
           (W("fire trousers", "khaki", "silver"), W("boots", "black"), W("fire coat", "khaki", "silver"),
            W("gloves", "black"), W("fire helmet", "red", "yellow")), ("fire coat", "fire trousers"), {"muscle": 0.7}),
    Outfit(("astronaut", "spaceman", "spacewoman", "cosmonaut"),
           (W("spacesuit", "white", "blue"), W("boots", "grey"), W("gloves", "grey"), W("backpack", "white"),
            W("space helmet", "white")), ("spacesuit", "space helmet", "backpack")),
    Outfit(("wizard", "sorcerer", "mage", "warlock", "magician"),
           (W("shoes", "brown"), W("robe", "purple", "gold"), W("sash", "gold"), W("wizard hat", "purple", "gold")),
           ("robe", "wizard hat"), {"age": 0.98}, "long", "white", "long beard",
           gender=0.0),
    Outfit(("witch", "sorceress"),
           (W("boots", "black"), W("gown", "black", "purple"), W("witch hat", "black", "purple")),
           ("gown", "witch hat"), {}, "long", "black", gender=1.0),
    Outfit(("knight", "paladin", "crusader"),
           (W("armour", "steel", "gold"), W("gauntlets", "steel"), W("tall boots", "steel"), W("pauldrons", "steel"),
            W("cape", "red"), W("knight's helmet", "steel", "gold")), ("cape",), {"muscle": 0.75}),
    Outfit(("chef", "cook", "baker"),
           (W("trousers", "black", "white", "chequered"), W("shoes", "black"), W("shirt", "white", "black"),
            W("apron", "white"), W("chef's hat", "white")), ("apron",)),
    Outfit(("doctor", "physician", "surgeon", "scientist"),
           (W("trousers", "navy"), W("shoes", "black"), W("shirt", "light blue", "white"), W("coat tails", "white"),
            W("stethoscope", "black")), ("shirt", "trousers")),
    Outfit(("nurse", "medic"),
           (W("trousers", "turquoise"), W("trainers", "white", "grey"), W("t-shirt", "turquoise")),
           ("trousers", "t-shirt")),
    Outfit(("police officer", "policeman", "policewoman", "cop", "sheriff"),
           (W("trousers", "navy"), W("boots", "black"), W("uniform", "navy", "silver"), W("belt", "black", "gold"),
            W("police cap", "navy")), ("uniform", "trousers", "police cap")),
    Outfit(("soldier", "infantryman", "marine"),
           (W("trousers", "olive", "brown", "camouflage"), W("boots", "black"),
            W("jacket", "olive", "brown", "camouflage"), W("backpack", "olive"), W("helmet", "olive")),
           ("trousers", "jacket", "helmet"), {"muscle": 0.7}),
    Outfit(("businessman", "banker", "lawyer", "manager", "office worker", "spy", "agent"),
           (W("shirt", "white"), W("trousers", "navy"), W("shoes", "black"), W("suit jacket", "navy", "red")),
           ("suit jacket", "trousers"), gender=0.0),
    Outfit(("businesswoman", "secretary"),
           (W("shirt", "white"), W("skirt", "navy"), W("shoes", "black"), W("suit jacket", "navy", "navy")),
           ("suit jacket", "skirt"), hair="bun", gender=1.0),
    Outfit(("king", "emperor"),
           (W("trousers", "cream"), W("boots", "brown"), W("shirt", "maroon", "gold"), W("belt", "brown", "gold"),
            W("cape", "red"), W("crown", "gold", "red")), ("cape",), {"age": 0.85}, "long", "", "beard", gender=0.0),
    Outfit(("queen", "empress"),
           (W("shoes", "gold"), W("gown", "red", "gold"), W("cape", "purple"), W("crown", "gold", "blue")), ("gown",),
           {}, "long", gender=1.0),
    Outfit(("princess",), (W("shoes", "pink"), W("gown", "pink", "gold"), W("crown", "gold", "pink")), ("gown",),
           {}, "long", "blond", gender=1.0),
    Outfit(("prince",), (W("leggings", "white"), W("boots", "brown"), W("shirt", "blue", "gold"),
                         W("sash", "gold"), W("crown", "gold", "blue")), ("shirt",), gender=0.0),
    Outfit(("pirate", "buccaneer"),
           (W("trousers", "brown"), W("tall boots", "black"), W("shirt", "white", "red", "striped"), W("sash", "red"),
            W("vest", "maroon", "gold"), W("pirate hat", "black", "gold")), ("vest",), {}, "long", "black", "beard"),
    Outfit(("superhero", "super hero", "superheroine"),
           (W("suit", "blue", "yellow"), W("briefs", "red"), W("boots", "red"), W("gloves", "red"),
            W("belt", "yellow", "gold"), W("cape", "red"), W("eye mask", "red")), ("suit",),
           {"muscle": 0.95, "shoulders": 0.6}),
    Outfit(("ninja", "assassin"),
           (W("suit", "black", "black"), W("sash", "red"), W("boots", "black"), W("gloves", "black"),
            W("mask", "black")), ("suit", "mask")),
    Outfit(("farmer", "peasant", "gardener"),
           (W("shirt", "red", "white", "chequered"), W("dungarees", "denim"), W("boots", "brown"),
            W("straw hat", "beige", "brown")), ("dungarees",)),
    Outfit(("construction worker", "builder", "worker", "engineer", "miner"),
           (W("jeans", "denim"), W("boots", "brown"), W("shirt", "grey", "grey"),
            W("safety vest", "orange", "silver"), W("hard hat", "yellow")), ("safety vest",)),
    Outfit(("mechanic", "plumber", "pilot"),
           (W("overalls", "blue", "silver"), W("boots", "black"), W("cap", "blue")), ("overalls", "cap")),
    Outfit(("cowboy", "cowgirl", "ranger", "gunslinger"),
           (W("jeans", "denim"), W("boots", "brown"), W("shirt", "beige", "brown"), W("vest", "brown", "gold"),
            W("belt", "brown", "gold"), W("cowboy hat", "brown", "black")), ("vest", "cowboy hat")),
    Outfit(("santa claus", "santa", "father christmas"),
           (W("trousers", "red"), W("boots", "black"), W("sweater", "red"), W("belt", "black", "gold"),
            W("beanie", "red", "white")), (), {"age": 0.98, "weight": 0.95, "belly": 0.9}, "long", "white",
           "long beard", gender=0.0),
    Outfit(("clown", "jester"),
           (W("trousers", "yellow", "red", "dotted"), W("shoes", "red"), W("sweater", "blue", "yellow", "dotted"),
            W("gloves", "white")), (), {"nose": 1.0}, "afro", "ginger", skin="pale"),
    Outfit(("monk", "priest", "friar"), (W("sandals", "brown"), W("robe", "brown", "brown"), W("sash", "beige"),
                                         W("hood", "brown")), ("robe", "hood"), {}, "buzz cut"),
    Outfit(("athlete", "runner", "jogger", "sportsman", "basketball player"),
           (W("shorts", "blue"), W("tank top", "red"), W("trainers", "white", "red"), W("socks", "white")),
           ("tank top",), {"muscle": 0.75, "weight": 0.4}),
    Outfit(("football player", "soccer player", "footballer"),
           (W("shorts", "white"), W("t-shirt", "red", "white", "striped"), W("socks", "red"),
            W("trainers", "black", "white")), ("t-shirt", "socks"), {"muscle": 0.7}),
    Outfit(("dancer", "ballerina"), (W("leggings", "white"), W("tutu", "pink"), W("shoes", "pink")), ("tutu", "shoes"),
           {"weight": 0.3}, "bun", gender=1.0),
    Outfit(("swimmer", "lifeguard"), (W("swimsuit", "red"),), ("swimsuit",), gender=1.0),
    Outfit(("bodybuilder", "wrestler", "strongman"), (W("briefs", "black"),), ("briefs",),
           {"muscle": 1.0, "shoulders": 0.7, "chest": 0.5}, gender=0.0),
    Outfit(("boxer",), (W("shorts", "red"), W("boots", "white"), W("gauntlets", "red")), ("shorts", "gauntlets"),
           {"muscle": 0.9}),
    Outfit(("archer", "elf", "hunter", "ranger of the woods"),
           (W("leggings", "brown"), W("tall boots", "brown"), W("shirt", "dark green", "brown"),
            W("belt", "brown", "gold"), W("cape", "dark green"), W("quiver", "brown")), ("shirt", "cape"), {}, "long"),
    Outfit(("zombie", "undead"), (W("trousers", "brown"), W("shirt", "grey", "brown")), (), {"weight": 0.25}, "tousled",
           skin="green"),
    Outfit(("alien", "martian"), (W("suit", "silver", "green"), W("boots", "silver")), ("suit",), {"head": 1.0},
           "bald", skin="green"),
    Outfit(("orc", "goblin", "ogre", "troll"),
           (W("shorts", "brown"), W("belt", "black", "silver"), W("boots", "brown")), (),
           {"muscle": 0.95, "shoulders": 0.8, "chin": 1.0}, "bald", skin="green"),
    Outfit(("dwarf",),
           (W("trousers", "brown"), W("boots", "black"), W("shirt", "blue", "gold"), W("belt", "brown", "gold")),
           ("shirt",), {"height": 0.1, "legs": -0.9, "shoulders": 0.8, "weight": 0.75, "head": 0.7}, "long", "ginger",
           "long beard"),
    Outfit(("student", "gamer", "schoolchild"),
           (W("jeans", "denim"), W("trainers", "white", "red"), W("hoodie", "grey"), W("backpack", "blue")),
           ("hoodie",)),
    Outfit(("teacher", "professor", "librarian"),
           (W("trousers", "brown"), W("shoes", "brown"), W("shirt", "white", "brown"), W("sweater", "green"),
            W("glasses", "black")), ("sweater",)),
    Outfit(("rock star", "biker", "punk", "rocker"),
           (W("jeans", "black"), W("boots", "black"), W("t-shirt", "white"), W("leather jacket", "black"),
            W("sunglasses", "black")), ("leather jacket",), {}, "mohawk"),
    Outfit(("bride",), (W("shoes", "white"), W("gown", "white", "cream")), (), {}, "bun", gender=1.0),
)  # fmt: skip

EVERYDAY: tuple[tuple[Worn, ...], ...] = (
    (W("jeans", "denim"), W("t-shirt", "red"), W("trainers", "white", "grey")),
    (W("trousers", "grey"), W("shoes", "black"), W("shirt", "light blue", "white")),
    (W("jeans", "denim"), W("trainers", "white", "blue"), W("sweater", "green")),
    (W("shorts", "khaki"), W("trainers", "white", "grey"), W("t-shirt", "blue")),
)
"""What somebody wears of whom nothing is said; the first by default."""


def outfit_named(word: str) -> Outfit | None:
    """The outfit of that plain word or one of its synonyms."""
    return next((one for one in OUTFITS if word in one.words), None)
