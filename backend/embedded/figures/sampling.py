# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws people: bodies, faces, clothes, poses, and whether the picture is of the whole figure or of the head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backend.avatar.body import AXES
from backend.avatar.look import BEARDS, CLOTH, EYES, HAIR_COLOURS, HAIR_STYLES, Look, Worn
from backend.avatar.outfits import OUTFITS, Outfit

SHARE_CALLING = 0.55  # of figures that are somebody in particular; the rest wear a mixture
SHARE_RECOLOURED = 0.35  # of those, in another colour than their own
SHARE_CLOSE = 0.22  # of figures that are seen as a head
SHARE_POSED = 0.35  # of figures not in the A-pose
SKIN_TONES = ("pale", "fair", "olive", "tanned", "brown", "dark")
BRIGHT = ("red", "orange", "yellow", "green", "dark green", "light blue", "blue", "purple", "pink", "brown", "white",
          "grey", "black", "turquoise", "beige", "navy")  # fmt: skip
TOPS = ("t-shirt", "tank top", "shirt", "sweater", "hoodie", "jacket", "leather jacket")
BOTTOMS = ("trousers", "jeans", "shorts", "leggings")
SKIRTS = ("skirt", "long skirt", "mini skirt")
ONE_PIECE = ("dress", "gown", "robe", "overalls")
FOOTWEAR = ("shoes", "trainers", "boots", "tall boots", "sandals")
HATS = ("cap", "hat", "cowboy hat", "straw hat", "top hat", "beanie", "crown")
EXTRAS = ("glasses", "sunglasses", "headphones", "scarf", "backpack", "tie", "cape", "belt", "gloves")
CLOTH_PATTERNS = ("striped", "dotted", "chequered", "camouflage")


@dataclass(frozen=True)
class FigureSample:
    """A look, who it is ("" for nobody in particular), turns of joints by name (axis and angle in the body's space,
    radians), and whether the picture shows the head."""

    look: Look
    calling: str
    recoloured: str
    pose: tuple[tuple[str, tuple[float, float, float]], ...]
    close: bool


def sample(rng: np.random.Generator, split: str = "train") -> FigureSample:
    """One figure. The split "held_out" draws only callings in colours that "train" never shows them in."""
    sliders = _sliders(rng)
    calling, recoloured = "", ""
    held = split == "held_out"
    if held or rng.random() < SHARE_CALLING:
        outfit = OUTFITS[int(rng.integers(len(OUTFITS)))]
        while held and not outfit.main:
            outfit = OUTFITS[int(rng.integers(len(OUTFITS)))]
        calling = outfit.words[0]
        if outfit.gender is not None:
            sliders["gender"] = outfit.gender
        for name, value in outfit.sliders.items():
            sliders[name] = float(np.clip(value + rng.normal(0, 0.05), 0 if name in AXES else -1, 1))
        worn = outfit.worn
        if outfit.main and (held or rng.random() < SHARE_RECOLOURED):
            allowed = [c for c in BRIGHT if is_held_out(calling, c) == held] or list(BRIGHT)
            recoloured = str(rng.choice(allowed))
            worn = tuple(replace(one, colour=recoloured) if one.kind in outfit.main else one for one in worn)
        look = _person(rng, sliders, worn, outfit)
    else:
        look = _person(rng, sliders, _mixture(rng, sliders["gender"] > 0.5), None)
    return FigureSample(look, calling, recoloured, _pose(rng), bool(rng.random() < SHARE_CLOSE))


def is_held_out(calling: str, colour: str) -> bool:
    """Whether training never shows a calling in this colour: one in nine, by a fixed hash."""
    return sum((i + 3) * ord(letter) for i, letter in enumerate(calling + "|" + colour)) % 9 == 0


def _sliders(rng: np.random.Generator) -> dict[str, float]:
    ages = [rng.uniform(0.36, 0.5), rng.uniform(0.62, 0.85), rng.uniform(0.93, 1.0)]
    age = float(rng.choice(ages, p=[0.1, 0.7, 0.2]))
    out = {
        "gender": float(rng.random() < 0.5),
        "age": age,
        "muscle": float(np.clip(rng.normal(0.5, 0.2), 0, 1)),
        "weight": float(np.clip(rng.normal(0.5, 0.22), 0, 1)),
        "height": float(np.clip(rng.normal(0.5, 0.15), 0.1, 0.9)),
        "proportions": float(rng.uniform(0, 0.3)),
    }
    for name in ("shoulders", "belly", "hips", "legs", "chin", "nose", "face_width", "head", "ears"):
        if rng.random() < 0.5:
            out[name] = float(np.clip(rng.normal(0, 0.4), -1, 1))
    return out


def _person(rng: np.random.Generator, sliders: dict[str, float], worn: tuple[Worn, ...], outfit: Outfit | None) -> Look:
    woman, old = sliders["gender"] > 0.5, sliders["age"] > 0.9
    styles = ("short", "tousled", "buzz cut", "bald", "long", "afro", "mohawk") if not woman else (
        "long", "bob", "ponytail", "bun", "short", "braids", "afro", "tousled")
    natural = ("black", "dark brown", "brown", "blond", "red", "ginger")
    colour = str(rng.choice(("grey", "white") if old else natural if rng.random() < 0.9 else tuple(HAIR_COLOURS)))
    beard = "" if woman or sliders["age"] < 0.6 or rng.random() < 0.5 else str(rng.choice(BEARDS[1:]))
    skin = str(rng.choice(SKIN_TONES))
    hair = str(rng.choice(styles))
    if outfit is not None:
        hair, colour = outfit.hair or hair, outfit.hair_colour or colour
        beard, skin = outfit.beard if not woman and outfit.beard else beard, outfit.skin or skin
    assert hair in HAIR_STYLES
    return Look(sliders, 1.0, skin, hair, colour, beard, str(rng.choice(tuple(EYES))), worn)


def _worn(rng: np.random.Generator, kind: str) -> Worn:
    colour = str(rng.choice(BRIGHT))
    second = "white" if colour != "white" else str(rng.choice(BRIGHT[:10]))
    plain = rng.random() < 0.72 or kind in ("leather jacket", "boots", "tall boots", "shoes", "trainers", "sandals")
    if kind == "jeans":
        colour, plain = str(rng.choice(("denim", "denim", "black", "navy"))), True
    return Worn(kind, colour, second, "" if plain else str(rng.choice(CLOTH_PATTERNS)))


def _mixture(rng: np.random.Generator, woman: bool) -> tuple[Worn, ...]:
    pick = rng.random()
    shoes = _worn(rng, str(rng.choice(FOOTWEAR)))
    if pick < (0.28 if woman else 0.08):
        worn = [shoes, _worn(rng, str(rng.choice(ONE_PIECE if woman else ("robe", "overalls"))))]
    else:
        under = SKIRTS if woman and rng.random() < 0.35 else BOTTOMS
        worn = [_worn(rng, str(rng.choice(under))), shoes, _worn(rng, str(rng.choice(TOPS)))]
        if rng.random() < 0.12:
            jacket = Worn("suit jacket", worn[0].colour, str(rng.choice(BRIGHT)))
            worn = [worn[0], shoes, Worn("shirt", "white"), jacket]
    if rng.random() < 0.3:
        hat = str(rng.choice(HATS))
        worn.append(Worn(hat, "gold" if hat == "crown" else str(rng.choice(BRIGHT)), "black"))
    if rng.random() < 0.35:
        worn.append(_worn(rng, str(rng.choice(EXTRAS))))
    assert all(one.colour in CLOTH for one in worn)
    return tuple(worn)


def _pose(rng: np.random.Generator) -> tuple[tuple[str, tuple[float, float, float]], ...]:
    """Rotation vectors of joints in the body's space; mostly none."""
    if rng.random() > SHARE_POSED:
        return ()
    out: list[tuple[str, tuple[float, float, float]]] = []
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        raise_arm = float(rng.choice([0.6, 0.35, -0.5, -0.9])) + float(rng.normal(0, 0.15))
        out.append((side + "Arm", (float(rng.normal(0, 0.2)), sign * raise_arm, 0.0)))
        out.append((side + "ForeArm", (-abs(float(rng.normal(0, 0.5))), 0.0, 0.0)))
        swing = float(rng.normal(0, 0.25))
        out.append((side + "UpLeg", (swing, -sign * abs(float(rng.normal(0, 0.08))), 0.0)))
        out.append((side + "Leg", (abs(float(rng.normal(0, 0.25))), 0.0, 0.0)))
    out.append(("Head", (float(rng.normal(0, 0.1)), 0.0, float(rng.normal(0, 0.2)))))
    return tuple(out)
