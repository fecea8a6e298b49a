# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for colours, patterns, materials and proportions, with their synonyms, and what they look like."""

from __future__ import annotations

from dataclasses import dataclass

from . import surface

Colour = tuple[float, float, float]  # sRGB, 0..1


def rgb(code: str) -> Colour:
    """'c8201f' -> sRGB in 0..1."""
    return tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))  # type: ignore[return-value]


COLOURS: dict[str, Colour] = {
    "red": rgb("cc1f24"),
    "orange": rgb("f0801a"),
    "yellow": rgb("f7d21e"),
    "green": rgb("37a83c"),
    "dark green": rgb("14532b"),
    "light blue": rgb("6fc4ee"),
    "blue": rgb("2350c8"),
    "purple": rgb("7a35b0"),
    "pink": rgb("f287b5"),
    "brown": rgb("7d4a24"),
    "white": rgb("f2f2ee"),
    "grey": rgb("848890"),
    "black": rgb("222226"),
    "turquoise": rgb("1fb3a6"),
    "beige": rgb("dcc49a"),
}

COLOUR_SYNONYMS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet", "bright red", "ruby red"),
    "orange": ("bright orange", "tangerine"),
    "yellow": ("bright yellow", "lemon yellow"),
    "green": ("bright green", "grass green"),
    "dark green": ("deep green", "forest green"),
    "light blue": ("sky blue", "pale blue", "baby blue"),
    "blue": ("royal blue", "deep blue"),
    "purple": ("violet", "deep purple"),
    "pink": ("rose", "light pink"),
    "brown": ("chocolate brown", "dark brown"),
    "white": ("snow white", "pure white"),
    "grey": ("gray",),
    "black": ("jet black", "dark"),
    "turquoise": ("teal", "cyan"),
    "beige": ("sand coloured", "tan", "cream coloured"),
}

# Natural colours of parts that no caption names.
NATURAL: dict[str, Colour] = {
    "wood": rgb("9a6536"),
    "dark wood": rgb("5f3b1e"),
    "leaf": rgb("3f9a35"),
    "dark leaf": rgb("246b2c"),
    "stem": rgb("6b4a26"),
    "cream": rgb("f3e6c8"),
    "white": rgb("f4f3ef"),
    "steel": rgb("aab0b8"),
    "dark steel": rgb("5b6069"),
    "black": rgb("1b1b1f"),
    "tyre": rgb("2a2a2e"),
    "glass": rgb("a9d8ee"),
    "lamplight": rgb("ffe9a0"),
    "gold": rgb("e2b02c"),
    "skin": rgb("eebb92"),
    "hair": rgb("4a2c17"),
    "red": rgb("c92a2a"),
    "orange": rgb("f08a24"),
    "yellow": rgb("f6cf3a"),
    "pink": rgb("f2a0b4"),
    "blue": rgb("33599f"),
    "crust": rgb("c98a45"),
    "biscuit": rgb("d9a45c"),
    "meat": rgb("6e3a20"),
    "soil": rgb("4d3524"),
    "straw": rgb("d8b75a"),
    "terracotta": rgb("b8623a"),
    "slate": rgb("565c68"),
    "stone": rgb("9c988f"),
    "sand": rgb("d9c28e"),
    "roof": rgb("a3392c"),
    "door": rgb("6a3f20"),
    "flame": rgb("ffb020"),
    "page": rgb("f3ead2"),
    "grey": rgb("8d9097"),
}


@dataclass(frozen=True)
class Pattern:
    """A solid pattern or material.

    words: adjectives ("striped"); nouns: what "with ..." may say ("stripes"), empty for materials; own: a material's
    own two colours, None when the pattern takes the named colour; second: whether a second colour may be named.
    """

    number: int
    words: tuple[str, ...]
    nouns: tuple[str, ...] = ()
    own: tuple[Colour, Colour] | None = None
    other: Colour | None = None
    second: bool = False
    made_of: tuple[str, ...] = ()


PATTERNS: dict[str, Pattern] = {
    "plain": Pattern(surface.PLAIN, ("plain",)),
    "striped": Pattern(surface.STRIPES, ("striped", "stripy"), ("stripes", "horizontal stripes", "bands"), second=True),
    "dotted": Pattern(surface.DOTS, ("dotted", "spotted", "polka dot"), ("dots", "spots", "polka dots"), second=True),
    "checkered": Pattern(surface.CHECKS, ("checkered", "chequered", "checked"), ("checks", "squares"), second=True),
    "glazed": Pattern(surface.GLAZE, ("glazed", "ceramic glazed"), ("glaze",), other=rgb("c9a27a")),
    "mossy": Pattern(surface.MOSS, ("mossy", "moss-covered", "overgrown"), ("moss",), other=rgb("4c7f2a")),
    "rusty": Pattern(surface.RUST, ("rusty", "rusted"), ("rust",), other=rgb("93461c")),
    "snowy": Pattern(surface.SNOW, ("snowy", "snow-covered"), ("snow on top",), other=rgb("f6f8fb")),
    "wooden": Pattern(
        surface.WOOD, ("wooden", "timber"), own=(rgb("b07a42"), rgb("6b4220")), made_of=("wood", "timber", "oak")
    ),
    "golden": Pattern(
        surface.METAL, ("golden", "gold", "gilded"), own=(rgb("d19a14"), rgb("ffe27a")), made_of=("gold", "solid gold")
    ),
    "silver": Pattern(
        surface.METAL, ("silver", "chrome", "metal"), own=(rgb("8c95a3"), rgb("f1f5fa")), made_of=("silver", "metal")
    ),
    "stone": Pattern(surface.STONE, ("stone", "rocky"), own=(rgb("6f6d68"), rgb("b3aea4")), made_of=("stone", "rock")),
    "brick": Pattern(surface.BRICK, ("brick",), own=(rgb("a8482f"), rgb("d9cdbd")), made_of=("bricks", "red bricks")),
    "marble": Pattern(surface.MARBLE, ("marble",), own=(rgb("f0eee9"), rgb("6f7480")), made_of=("marble",)),
    "rainbow": Pattern(
        surface.RAINBOW, ("rainbow", "rainbow coloured", "multicoloured"), own=(rgb("ffffff"), rgb("ffffff"))
    ),
}

# Stretch along X, Y, Z and the words for it.
PROPORTIONS: dict[str, tuple[tuple[float, float, float], tuple[str, ...]]] = {
    "tall": ((0.8, 0.8, 1.34), ("tall", "thin", "slim", "slender")),
    "squat": ((1.24, 1.24, 0.74), ("squat", "short", "wide", "chubby", "fat")),
}
