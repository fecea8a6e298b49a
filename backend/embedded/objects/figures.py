# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures, and what they wear: hats and crowns, whose `wear_on` tells the opening that fits a head."""

from __future__ import annotations

import math

from .construct import Builder
from .recipe import Kind


def person(b: Builder) -> None:
    b.limb((0, 0, 1.15), (0, 0, 1.6), 0.32, 0.34)
    for side in (-1, 1):
        b.limb((side * 0.17, 0, 1.0), (side * 0.2, 0, 0.15), 0.19, 0.15, "accent")
        b.ellipsoid((side * 0.2, -0.1, 0.1), (0.16, 0.28, 0.12), "black")
        b.limb((side * 0.38, 0, 1.72), (side * 0.6, -0.05, 1.1), 0.14, 0.12)
        b.sphere((side * 0.63, -0.07, 0.98), 0.14, "skin")
    b.sphere((0, 0, 2.3), b.vary(0.4), "skin")
    b.cap((0, 0.05, 2.33), 0.43, 0.05, "hair", turn=(-28, 0, 0))
    for side in (-1, 1):
        b.sphere((side * 0.15, -0.37, 2.32), 0.06, "black")
    b.sphere((0, -0.42, 2.22), 0.06, "skin")
    b.box((0, -0.4, 2.1), (0.2, 0.2, 0.05), "red", decal=True)
    b.wear_on((0, 0.02, 2.52), 0.38)


def robot(b: Builder) -> None:
    b.box((0, 0, 1.1), (0.95, 0.65, 1.0), round=0.06)
    b.box((0, 0, 2.0), (0.75, 0.6, b.vary(0.6)), round=0.06)
    b.cylinder((0, 0, 1.65), 0.14, 0.2, "dark steel")
    for side in (-1, 1):
        b.cylinder((side * 0.19, -0.29, 2.08), 0.13, 0.12, "lamplight", turn=(90, 0, 0))
        b.sphere((side * 0.19, -0.34, 2.08), 0.06, "black")
        b.limb((side * 0.55, 0, 1.4), (side * 0.72, -0.05, 0.85), 0.12, 0.1, "accent")
        b.sphere((side * 0.74, -0.07, 0.75), 0.16, "accent")
        b.cylinder((side * 0.25, 0, 0.4), 0.15, 0.6, "accent")
        b.box((side * 0.25, -0.08, 0.09), (0.34, 0.55, 0.18), round=0.05)
    b.box((0, -0.32, 1.83), (0.4, 0.1, 0.09), "black", decal=True)
    b.limb((0, 0, 2.3), (0, 0, 2.6), 0.035, 0.035, "dark steel")
    b.sphere((0, 0, 2.65), 0.1, "red")
    b.box((0, -0.32, 1.15), (0.5, 0.06, 0.4), "steel", round=0.02)
    b.wear_on((0, 0, 2.3), 0.4)


def snowman(b: Builder) -> None:
    b.sphere((0, 0, 0.68), b.vary(0.72))
    b.sphere((0, 0, 1.62), 0.52)
    b.sphere((0, 0, 2.35), 0.38)
    b.cone((0, -0.34, 2.35), 0.1, 0.01, 0.42, "orange", along=(0, -1, 0))
    for side in (-1, 1):
        b.sphere((side * 0.15, -0.33, 2.47), 0.06, "black")
        b.limb((side * 0.42, 0, 1.75), (side * 1.0, 0, 2.1), 0.05, 0.04, "stem")
    for z in (1.4, 1.65, 1.88):
        b.sphere((0, -math.sqrt(0.53**2 - (z - 1.62) ** 2), z), 0.075, "black")
    b.ring((0, 0, 2.05), 0.36, 0.11, "accent")
    b.limb((0.2, -0.38, 2.0), (0.26, -0.5, 1.6), 0.1, 0.1, "accent")
    b.wear_on((0, 0, 2.58), 0.33)


def ghost(b: Builder) -> None:
    b.sphere((0, 0, 1.45), b.vary(0.7))
    b.cylinder((0, 0, 0.85), 0.7, 1.2)
    for i in range(6):
        a = i * math.pi / 3
        b.sphere((0.55 * math.cos(a), 0.55 * math.sin(a), 0.28), 0.22)
    for side in (-1, 1):
        b.ellipsoid((side * 0.24, -0.66, 1.55), (0.12, 0.14, 0.18), "black")
        b.limb((side * 0.6, -0.1, 1.15), (side * 0.9, -0.35, 1.25), 0.18, 0.14)
    b.ellipsoid((0, -0.72, 1.15), (0.13, 0.14, 0.17), "black")
    b.wear_on((0, 0, 1.98), 0.42)


def gnome(b: Builder) -> None:
    b.cone((0, 0, 0), 0.6, 0.38, 0.95, "accent")
    b.sphere((0, 0, 1.1), 0.42, "skin")
    b.cone((0, -0.36, 1.05), 0.36, 0.03, 0.75, "white", along=(0, -0.15, -1))
    b.cone((0, 0.02, 1.22), b.vary(0.5), 0.03, 1.15)
    b.sphere((0, -0.44, 1.12), 0.12, "skin")
    for side in (-1, 1):
        b.ellipsoid((side * 0.28, -0.35, 0.1), (0.22, 0.34, 0.15), "dark wood")
        b.limb((side * 0.45, 0, 0.8), (side * 0.62, -0.2, 0.5), 0.16, 0.13, "accent")
        b.sphere((side * 0.63, -0.24, 0.42), 0.13, "skin")


def hat(b: Builder) -> None:
    b.cylinder((0, 0, 0.05), 1.0, 0.1, round=0.05)
    b.cone((0, 0, 0.05), 0.6, 0.52, b.vary(0.72))
    b.ellipsoid((0, 0, 0.77), (0.52, 0.52, 0.14))
    b.cylinder((0, 0, 0.2), 0.61, 0.2, "accent")
    b.wear_on((0, 0, -0.02), 0.52)


def top_hat(b: Builder) -> None:
    b.cylinder((0, 0, 0.05), 0.95, 0.1, round=0.04)
    b.cone((0, 0, 0.05), 0.58, 0.64, b.vary(1.25))
    b.cylinder((0, 0, 0.24), 0.62, 0.26, "accent")
    b.wear_on((0, 0, -0.02), 0.52)


def crown(b: Builder) -> None:
    b.cone((0, 0, 0), 0.72, 0.8, 0.55)
    b.cone((0, 0, -0.1), 0.64, 0.72, 0.8, cut=True)
    b.group()
    for i in range(8):
        a = (i + 0.5) * math.pi / 4
        x, y = math.cos(a), math.sin(a)
        b.cone((0.74 * x, 0.74 * y, 0.45), 0.2, 0.02, b.vary(0.5), along=(0.15 * x, 0.15 * y, 1))
        b.sphere((0.83 * x, 0.83 * y, 0.98), 0.1)
        if i % 2 == 0:
            b.sphere((0.78 * x, 0.78 * y, 0.26), 0.12, "accent")
    b.sphere((0, -0.78, 0.26), 0.14, "accent")
    b.ring((0, 0, 0.04), 0.71, 0.07)
    b.wear_on((0, 0, 0.0), 0.66)


def wizard_hat(b: Builder) -> None:
    b.cylinder((0, 0, 0.05), 1.0, 0.1, round=0.05)
    b.cone((0, 0, 0.05), 0.58, 0.3, 0.7)
    b.cone((0, 0, 0.74), 0.3, 0.02, b.vary(0.85), turn=(0, 14, 0))
    b.cylinder((0, 0, 0.17), 0.58, 0.17, "accent")
    b.star((0, -0.5, 0.5), 0.2, 0.09, 0.2, "accent")
    b.wear_on((0, 0, -0.02), 0.5)


KINDS = (
    Kind("person", person, ("man", "figure", "toy person"), "trousers", "blue", wears=True),
    Kind("robot", robot, ("toy robot", "android"), "arms", "dark steel", ("grey", "light blue", "red"), wears=True),
    Kind("snowman", snowman, ("snow man",), "scarf", "red", ("white",), wears=True),
    Kind("ghost", ghost, ("spook", "little ghost"), colours=("white",), wears=True),
    Kind("gnome", gnome, ("garden gnome", "dwarf"), "coat", "blue", ("red", "green")),
    Kind("hat", hat, ("sun hat", "brimmed hat"), "band", "dark wood", ("beige", "brown"), small=True, hat=True),
    Kind("top hat", top_hat, ("magician's hat", "silk hat"), "band", "red", ("black",), small=True, hat=True),
    Kind("crown", crown, ("royal crown", "king's crown"), "jewels", "red", ("yellow",), small=True, hat=True),
    Kind(
        "wizard hat",
        wizard_hat,
        ("witch hat", "pointed hat"),
        "band",
        "yellow",
        ("purple", "blue", "black"),
        small=True,
        hat=True,
    ),
)
