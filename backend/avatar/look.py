# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody looks like, as plain words and numbers: body, skin, hair and what they wear.

A `Look` is what the words of a prompt are read into, what the training pictures are drawn from, and what `dress` makes
a figure of. Later garments lie over earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.embedded.objects.palette import COLOURS, Colour, rgb

SKINS: dict[str, Colour] = {
    "pale": rgb("f3d3bd"), "fair": rgb("e8b997"), "olive": rgb("c99a70"), "tanned": rgb("b98158"),
    "brown": rgb("8d5a3b"), "dark": rgb("5c3a28"),
    "green": rgb("6f9a4f"), "blue": rgb("5a86b8"), "grey": rgb("9aa09c"), "red": rgb("b0473c"),
}  # fmt: skip
HAIR_COLOURS: dict[str, Colour] = {
    "black": rgb("1d1a1a"), "dark brown": rgb("3a2417"), "brown": rgb("5a3820"), "blond": rgb("d9b36a"),
    "red": rgb("9a3f1c"), "ginger": rgb("c0652a"), "grey": rgb("9a9a9c"), "white": rgb("e9e7e2"), "blue": rgb("2f6fd0"),
    "pink": rgb("ea7fb4"), "green": rgb("3d9a4c"), "purple": rgb("7a3fa8"),
}  # fmt: skip
CLOTH: dict[str, Colour] = {
    **COLOURS,
    "navy": rgb("1f2c52"), "denim": rgb("3d5f8f"), "khaki": rgb("9a8a5c"), "olive": rgb("5d6238"),
    "silver": rgb("b4bac2"), "gold": rgb("d9a92f"), "steel": rgb("8f979f"), "maroon": rgb("6d1f2a"),
    "cream": rgb("efe4cc"), "burgundy": rgb("6d1f2a"), "lime": rgb("b4e02c"),
}  # fmt: skip
PATTERNS = ("", "striped", "dotted", "chequered", "camouflage", "starry")
HAIR_STYLES = ("bald", "buzz cut", "short", "tousled", "bob", "long", "ponytail", "bun", "afro", "mohawk", "braids")
BEARDS = ("", "stubble", "moustache", "beard", "long beard")
EYES: dict[str, Colour] = {"brown": rgb("4d2f1a"), "blue": rgb("3f79b5"), "green": rgb("4d7d45"), "grey": rgb("6f7d85")}


@dataclass(frozen=True)
class Worn:
    """One thing worn: `kind` of the wardrobe, its colour and second colour (of CLOTH), a pattern of PATTERNS."""

    kind: str
    colour: str
    second: str = "white"
    pattern: str = ""

    def __post_init__(self) -> None:
        for colour in (self.colour, self.second):
            if colour not in CLOTH:
                raise ValueError(f"no cloth is {colour!r}, only {', '.join(CLOTH)}")
        if self.pattern not in PATTERNS:
            raise ValueError(f"there is no pattern {self.pattern!r}, only {', '.join(PATTERNS[1:])}")


@dataclass(frozen=True)
class Look:
    """Body sliders and scale, skin (of SKINS), hair (of HAIR_STYLES), its colour, beard (of BEARDS), eyes (of EYES) and
    things worn, from the innermost to the outermost."""

    sliders: Mapping[str, float] = field(default_factory=dict)
    scale: float = 1.0
    skin: str = "fair"
    hair: str = "short"
    hair_colour: str = "dark brown"
    beard: str = ""
    eyes: str = "brown"
    worn: tuple[Worn, ...] = ()

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.skin, SKINS, "skin"), (self.hair, HAIR_STYLES, "hair"), (self.beard, BEARDS, "beard"),
            (self.hair_colour, HAIR_COLOURS, "hair colour"), (self.eyes, EYES, "eyes"),
        ):  # fmt: skip
            if value not in known:
                raise ValueError(f"{what} is {value!r}, expected one of {', '.join(known)}")

    def wears(self, *kinds: str) -> bool:
        """Whether one of these kinds is worn."""
        return any(one.kind in kinds for one in self.worn)
