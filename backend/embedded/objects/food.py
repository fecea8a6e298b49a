# SPDX-License-Identifier: GPL-3.0-or-later
"""Food."""

from __future__ import annotations

import math

from .construct import Builder
from .recipe import Kind


def apple(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.85), (0.95, 0.95, b.vary(0.82)))
    b.ellipsoid((0, 0, 0.4), (0.62, 0.62, 0.42), blend=0.3)
    b.cone((0, 0, 1.42), 0.03, 0.3, 0.4, "flat main", cut=True)
    b.group()
    b.limb((0, 0, 1.35), (0.1, 0, 1.98), 0.06, 0.07, "stem")
    b.ellipsoid((0.4, 0, 1.82), (0.34, 0.06, 0.17), "leaf", turn=(0, -25, 0))


def pear(b: Builder) -> None:
    b.sphere((0, 0, 0.75), b.vary(0.75))
    b.sphere((0, 0, 1.62), 0.42, blend=0.55)
    b.limb((0, 0, 1.95), (0.1, 0, 2.35), 0.06, 0.06, "stem")
    b.ellipsoid((0.33, 0, 2.2), (0.28, 0.06, 0.14), "leaf", turn=(0, -25, 0))


def banana(b: Builder) -> None:
    b.arc((0, 0, 1.1), 1.0, b.vary(0.24), degrees=110, towards=(0, 0, -1), axis=(0, 1, 0))
    for side in (-1, 1):
        x, z = 0.82 * side, 1.1 - 0.574
        b.limb((x, 0, z), (x + side * 0.19, 0, z + 0.3), 0.22, 0.09, blend=0.1)
    b.limb((1.0, 0, 0.82), (1.06, 0, 1.05), 0.09, 0.09, "stem")
    b.sphere((-1.02, 0, 0.84), 0.09, "stem")


def cake(b: Builder) -> None:
    b.cylinder((0, 0, 0.08), 1.25, 0.1, "white", round=0.04)
    b.cylinder((0, 0, 0.55), 1.0, 0.9, round=0.12)
    b.cylinder((0, 0, 0.62), 1.02, 0.14, "cream", round=0.05)
    for i in range(8):
        a = i * math.pi / 4
        b.sphere((0.78 * math.cos(a), 0.78 * math.sin(a), 1.05), 0.16, "accent")
    b.cylinder((0, 0, 1.25), 0.07, 0.55, "blue")
    b.ellipsoid((0, 0, 1.63), (0.07, 0.07, 0.14), "flame")
    b.carry_on((0, 0, 1.0), 0.55)


def cake_slice(b: Builder) -> None:
    b.prism((0, 0, 0.25), (1.1, 0.34, 1.7), "biscuit", turn=(90, 0, 0))
    b.prism((0, 0, 0.49), (1.1, 0.16, 1.7), turn=(90, 0, 0))
    b.prism((0, 0, 0.73), (1.1, 0.34, 1.7), "biscuit", turn=(90, 0, 0))
    b.prism((0, 0, 0.99), (1.12, 0.2, 1.72), turn=(90, 0, 0), round=0.02)
    b.sphere((0, 0.35, 1.2), 0.2, "accent")


def ice_cream(b: Builder) -> None:
    b.cone((0, 0, 0), 0.05, 0.55, 1.45, "crust")
    b.cylinder((0, 0, 1.42), 0.58, 0.14, "biscuit", round=0.04)
    b.sphere((0, 0, 1.75), b.vary(0.62))
    b.ring((0, 0, 1.5), 0.5, 0.14)
    b.sphere((0, 0, 2.42), 0.16, "accent")


def donut(b: Builder) -> None:
    b.ring((0, 0, 0.4), 0.75, b.vary(0.4), "crust")
    b.group()
    b.ring((0, 0, 0.44), 0.75, 0.41)
    b.box((0, 0, 0.1), (4, 4, 0.7), cut=True)
    if b.recipe.pattern == "plain":
        for i in range(14):
            a, r = i * 2.4, 0.55 + 0.4 * ((i * 5) % 7) / 6
            x, y = r * math.cos(a), r * math.sin(a)
            z = 0.44 + math.sqrt(max(0.41**2 - (r - 0.75) ** 2, 0))
            b.limb(
                (x - 0.06 * math.sin(a * 3), y - 0.06, z),
                (x + 0.06 * math.sin(a * 3), y + 0.06, z),
                0.045,
                0.045,
                "accent",
            )


def burger(b: Builder) -> None:
    b.cylinder((0, 0, 0.2), 1.0, 0.4, "crust", round=0.15)
    b.cylinder((0, 0, 0.5), 1.03, 0.28, "meat", round=0.12)
    b.box((0, 0, 0.68), (1.6, 1.6, 0.07), "yellow", turn=(0, 0, 20))
    b.cylinder((0, 0, 0.77), 1.1, 0.12, "leaf", round=0.05)
    b.ellipsoid((0, 0, 0.85), (1.02, 1.02, b.vary(0.68)))
    b.box((0, 0, 0.35), (1.3, 1.3, 0.3), "meat")
    if b.recipe.pattern == "plain":
        for i in range(9):
            a, r = i * 2.4, 0.24 * math.sqrt(i)
            x, y = r * math.cos(a), r * math.sin(a)
            b.sphere((x, y, 0.85 + 0.68 * math.sqrt(max(1 - (r / 1.02) ** 2, 0))), 0.06, "cream")


def carrot(b: Builder) -> None:
    b.limb((0, 0, 1.55), (0, 0, 0.05), b.vary(0.38), 0.05)
    for i in range(5):
        a = i * 2 * math.pi / 5
        b.limb((0, 0, 1.8), (0.35 * math.cos(a), 0.35 * math.sin(a), 2.5), 0.08, 0.11, "leaf")
    b.limb((0, 0, 1.8), (0, 0, 2.6), 0.08, 0.11, "leaf")


def watermelon_slice(b: Builder) -> None:
    b.cylinder((0, 0, 1.0), 1.2, 0.4, "leaf", turn=(90, 0, 0))
    b.cylinder((0, 0, 1.0), 1.1, 0.42, "cream", turn=(90, 0, 0))
    b.cylinder((0, 0, 1.0), 1.0, 0.44, turn=(90, 0, 0))
    b.box((0, 0, 1.8), (4, 2, 1.6), cut=True)
    for x, z in ((-0.55, 0.75), (0, 0.75), (0.55, 0.75), (-0.28, 0.4), (0.28, 0.4)):
        b.ellipsoid((x, 0, z), (0.07, 0.5, 0.11), "black", decal=True)


def cheese(b: Builder) -> None:
    b.prism((0, 0, 0.45), (1.5, 0.9, 2.0), turn=(90, 0, 0))
    holes = (
        (0.05, -0.75, 0.9, 0.22), (0.15, 0.4, 0.92, 0.28), (0.45, -0.2, 0.4, 0.25),
        (-0.4, -0.3, 0.6, 0.2), (0.3, 1.0, 0.45, 0.26), (-0.3, 1.0, 0.25, 0.2),
    )  # fmt: skip
    for x, y, z, r in holes:
        b.sphere((x, y, z), r, "second" if b.recipe.second else "flat main", cut=True)


def cupcake(b: Builder) -> None:
    b.cone((0, 0, 0), 0.5, 0.75, 0.8, "accent")
    b.ellipsoid((0, 0, 0.85), (0.86, 0.86, 0.32))
    b.ellipsoid((0, 0, 1.15), (0.64, 0.64, 0.28))
    b.ellipsoid((0, 0, 1.42), (0.4, 0.4, b.vary(0.3)))
    b.sphere((0, 0, 1.78), 0.17, "red")


def pineapple(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.85), (0.62, 0.62, b.vary(0.88)))
    for i in range(6):
        a = i * math.pi / 3
        b.limb((0, 0, 1.6), (0.48 * math.cos(a), 0.48 * math.sin(a), 2.2), 0.14, 0.04, "leaf")
    b.limb((0, 0, 1.6), (0, 0, 2.5), 0.2, 0.05, "dark leaf")


def cherries(b: Builder) -> None:
    for x, y in ((-0.55, 0.0), (0.5, -0.1)):
        b.sphere((x, y, 0.5), b.vary(0.5))
        b.limb((x, y, 0.95), (0.1, 0, 1.95), 0.05, 0.05, "leaf")
    b.ellipsoid((0.45, 0, 1.95), (0.42, 0.2, 0.07), "leaf", turn=(0, 20, 0))


def pumpkin(b: Builder) -> None:
    for i in range(8):
        a = (i + 0.5) * math.pi / 4
        b.ellipsoid((0.42 * math.cos(a), 0.42 * math.sin(a), 0.75), (0.56, 0.56, b.vary(0.74)))
    b.limb((0, 0, 1.35), (0.1, 0, 1.8), 0.16, 0.12, "stem")


def egg_cup(b: Builder) -> None:
    b.cone((0, 0, 0), 0.5, 0.12, 0.3)
    b.cap((0, 0, 0.85), 0.6, 0.0, turn=(180, 0, 0))
    b.group()
    b.ellipsoid((0, 0, 1.05), (0.48, 0.48, 0.68), "accent")


_FRUIT = (
    "striped",
    "dotted",
    "checkered",
    "mossy",
    "snowy",
    "wooden",
    "golden",
    "silver",
    "stone",
    "marble",
    "rainbow",
)

KINDS = (
    Kind("apple", apple, ("ripe apple",), colours=("red", "green"), patterns=_FRUIT, small=True),
    Kind("pear", pear, ("ripe pear",), colours=("green", "yellow"), patterns=_FRUIT, small=True),
    Kind("banana", banana, ("ripe banana",), colours=("yellow", "green"), patterns=_FRUIT, small=True),
    Kind("cake", cake, ("birthday cake", "cream cake"), "cherries", "red", ("pink", "brown", "white"), carries=True),
    Kind(
        "cake slice",
        cake_slice,
        ("slice of cake", "piece of cake"),
        "cherry",
        "red",
        ("pink", "white", "brown"),
        small=True,
    ),
    Kind(
        "ice cream",
        ice_cream,
        ("ice cream cone", "ice-cream cone"),
        "cherry",
        "red",
        ("pink", "white", "brown"),
        small=True,
    ),
    Kind("donut", donut, ("doughnut", "ring doughnut"), "sprinkles", "white", ("pink", "brown"), small=True),
    Kind("burger", burger, ("hamburger", "cheeseburger"), colours=("orange", "brown", "beige"), small=True),
    Kind("carrot", carrot, ("fresh carrot",), colours=("orange", "purple"), patterns=_FRUIT),
    Kind(
        "watermelon slice",
        watermelon_slice,
        ("slice of watermelon", "slice of melon"),
        colours=("red", "yellow", "pink"),
    ),
    Kind(
        "cheese",
        cheese,
        ("piece of cheese", "wedge of cheese"),
        colours=("yellow", "orange"),
        patterns=_FRUIT,
        small=True,
    ),
    Kind("cupcake", cupcake, ("muffin", "fairy cake"), "wrapper", "crust", ("pink", "white", "brown"), small=True),
    Kind("pineapple", pineapple, ("ripe pineapple",), colours=("yellow", "orange"), patterns=_FRUIT),
    Kind("cherries", cherries, ("pair of cherries", "two cherries"), colours=("red",), patterns=_FRUIT),
    Kind("pumpkin", pumpkin, ("squash", "ripe pumpkin"), colours=("orange", "green"), patterns=_FRUIT, small=True),
    Kind("egg cup", egg_cup, ("egg in a cup", "eggcup with an egg"), "egg", "cream", small=True),
)
