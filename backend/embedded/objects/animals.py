# SPDX-License-Identifier: GPL-3.0-or-later
"""Animals, simple and toy-like; they look towards -Y. Eyes are dark on light and light on dark animals alike, since
each has a white ring."""

from __future__ import annotations

import math

from .construct import Builder
from .recipe import Kind

_SITES = ((-1, -1), (1, -1), (-1, 1), (1, 1))


def _eyes(b: Builder, x: float, y: float, z: float, r: float) -> None:
    """Two eyes that look towards -Y."""
    for side in (-1, 1):
        b.sphere((side * x, y, z), r, "white")
        b.sphere((side * x, y - 0.55 * r, z), 0.7 * r, "black")


def _legs(b: Builder, x: float, front: float, back: float, top: float, r: float, paint: str = "main") -> None:
    for sx in (-1, 1):
        for y in (front, back):
            b.limb((sx * x, y, top), (sx * x, y, r), r * 1.1, r, paint, blend=0.06)


def cat(b: Builder) -> None:
    b.limb((0, -0.35, 0.8), (0, 0.75, 0.8), 0.38, 0.42)
    _legs(b, 0.24, -0.4, 0.75, 0.7, 0.14)
    b.sphere((0, -0.75, 1.35), b.vary(0.46), blend=0.12)
    for side in (-1, 1):
        b.cone((side * 0.27, -0.72, 1.62), 0.2, 0.02, 0.42, turn=(0, side * 12, 0))
    b.limb((0, 1.05, 0.95), (0, 1.45, 1.5), 0.11, 0.1)
    b.limb((0, 1.45, 1.5), (0, 1.3, 2.0), 0.1, 0.09)
    b.ellipsoid((0, -1.12, 1.22), (0.2, 0.13, 0.13), "accent")
    b.sphere((0, -1.24, 1.28), 0.06, "pink")
    _eyes(b, 0.19, -1.12, 1.46, 0.11)
    b.wear_on((0, -0.75, 1.72), 0.3)


def dog(b: Builder) -> None:
    b.limb((0, -0.4, 0.95), (0, 0.75, 0.9), 0.42, 0.38)
    _legs(b, 0.26, -0.45, 0.75, 0.8, 0.15)
    b.sphere((0, -0.85, 1.5), b.vary(0.43), blend=0.12)
    b.limb((0, -1.05, 1.4), (0, -1.45, 1.33), 0.24, 0.19, blend=0.08)
    b.sphere((0, -1.64, 1.4), 0.11, "black")
    for side in (-1, 1):
        b.ellipsoid((side * 0.44, -0.8, 1.4), (0.12, 0.2, 0.42), "accent", turn=(0, -side * 12, 0))
    b.limb((0, 1.1, 1.1), (0, 1.5, 1.7), 0.12, 0.07)
    b.ring((0, -0.62, 1.18), 0.33, 0.07, "red", along=(0, -0.6, 0.8))
    _eyes(b, 0.18, -1.2, 1.66, 0.1)
    b.wear_on((0, -0.82, 1.85), 0.3)


def rabbit(b: Builder) -> None:
    b.ellipsoid((0, 0.2, 0.65), (0.55, 0.75, 0.62))
    b.sphere((0, -0.45, 1.3), b.vary(0.44), blend=0.12)
    for side in (-1, 1):
        b.limb((side * 0.16, -0.4, 1.6), (side * 0.25, -0.3, 2.35), 0.11, 0.14)
        b.ellipsoid((side * 0.23, -0.46, 2.1), (0.07, 0.06, 0.32), "pink", turn=(0, side * 7, 0))
        b.ellipsoid((side * 0.38, -0.25, 0.14), (0.2, 0.42, 0.15))
        b.limb((side * 0.2, -0.5, 0.7), (side * 0.2, -0.62, 0.14), 0.13, 0.13)
    b.sphere((0, 0.98, 0.6), 0.22, "accent")
    b.sphere((0, -0.88, 1.24), 0.08, "pink")
    _eyes(b, 0.19, -0.8, 1.42, 0.1)


def mouse(b: Builder) -> None:
    b.limb((0, 0.4, 0.5), (0, -0.75, 0.38), 0.5, 0.17)
    for side in (-1, 1):
        b.cylinder((side * 0.36, -0.15, 0.98), b.vary(0.34), 0.1, turn=(90, 0, 0), round=0.05)
        b.cylinder((side * 0.36, -0.2, 0.98), 0.23, 0.08, "pink", turn=(90, 0, 0), round=0.03)
        b.sphere((side * 0.25, -0.5, 0.08), 0.12, "pink")
        b.sphere((side * 0.25, 0.5, 0.08), 0.14, "pink")
    b.sphere((0, -0.93, 0.38), 0.1, "pink")
    b.limb((0, 0.85, 0.3), (0.3, 1.4, 0.15), 0.07, 0.06, "pink")
    b.limb((0.3, 1.4, 0.15), (0.15, 1.9, 0.4), 0.06, 0.04, "pink")
    _eyes(b, 0.17, -0.58, 0.62, 0.1)


def duck(b: Builder) -> None:
    b.ellipsoid((0, 0.1, 0.55), (0.62, 0.95, 0.55))
    b.limb((0, 0.85, 0.7), (0, 1.15, 0.98), 0.25, 0.08, blend=0.15)
    b.limb((0, -0.5, 0.75), (0, -0.6, 1.2), 0.28, 0.26, blend=0.15)
    b.sphere((0, -0.65, 1.4), b.vary(0.4))
    b.ellipsoid((0, -1.1, 1.33), (0.22, 0.3, 0.09), "accent")
    for side in (-1, 1):
        b.ellipsoid((side * 0.58, 0.15, 0.68), (0.12, 0.55, 0.3), turn=(10, 0, side * -8))
    _eyes(b, 0.2, -0.95, 1.53, 0.1)
    b.wear_on((0, -0.62, 1.74), 0.24)


def penguin(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.95), (0.6, 0.52, 0.9))
    b.sphere((0, -0.02, 1.85), b.vary(0.42), blend=0.15)
    b.ellipsoid((0, -0.28, 0.85), (0.44, 0.34, 0.7), "accent")
    b.cone((0, -0.36, 1.8), 0.13, 0.01, 0.34, "orange", along=(0, -1, -0.1))
    for side in (-1, 1):
        b.ellipsoid((side * 0.62, 0, 0.95), (0.1, 0.26, 0.6), turn=(0, side * -14, 0))
        b.ellipsoid((side * 0.26, -0.25, 0.08), (0.2, 0.34, 0.09), "orange")
    _eyes(b, 0.17, -0.34, 2.0, 0.1)
    b.wear_on((0, 0, 2.18), 0.3)


def owl(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.9), (0.65, 0.55, b.vary(0.9)))
    b.ellipsoid((0, -0.25, 0.68), (0.42, 0.36, 0.55), "accent")
    for side in (-1, 1):
        b.cylinder((side * 0.26, -0.46, 1.35), 0.27, 0.12, "white", turn=(80, 0, side * 12), round=0.05)
        b.sphere((side * 0.24, -0.53, 1.35), 0.13, "black")
        b.cone((side * 0.36, 0, 1.5), 0.22, 0.02, 0.5, turn=(0, side * 20, 0))
        b.ellipsoid((side * 0.62, 0.05, 0.85), (0.13, 0.36, 0.6), turn=(0, side * -8, 0))
        b.ellipsoid((side * 0.22, -0.3, 0.05), (0.15, 0.24, 0.08), "orange")
    b.cone((0, -0.5, 1.22), 0.1, 0.01, 0.25, "orange", along=(0, -0.6, -0.8))
    b.wear_on((0, 0, 1.68), 0.34)


def fish(b: Builder) -> None:
    b.ellipsoid((0, -0.15, 0.8), (0.38, b.vary(0.98), 0.62))
    b.prism((0, 1.05, 0.8), (1.15, 0.1, 0.85), "accent", turn=(90, 90, 0), round=0.04)
    b.ellipsoid((0, 0.05, 1.4), (0.07, 0.5, 0.3), "accent")
    for side in (-1, 1):
        b.ellipsoid((side * 0.46, 0.0, 0.6), (0.28, 0.3, 0.06), "accent", turn=(0, side * 35, 0))
        b.sphere((side * 0.26, -0.75, 0.95), 0.14, "white")
        b.sphere((side * 0.34, -0.79, 0.96), 0.09, "black")
    b.ring((0, -1.1, 0.75), 0.1, 0.05, "accent", turn=(90, 0, 0))


def snail(b: Builder) -> None:
    b.limb((0, -0.85, 0.2), (0, 1.05, 0.1), 0.24, 0.1, "accent")
    b.limb((0, -0.85, 0.25), (0, -1.05, 0.75), 0.22, 0.22, "accent", blend=0.1)
    for side in (-1, 1):
        b.limb((side * 0.1, -1.08, 0.85), (side * 0.2, -1.2, 1.3), 0.05, 0.05, "accent")
        b.sphere((side * 0.2, -1.2, 1.34), 0.1, "black")
    b.cylinder((0, 0.2, 0.95), b.vary(0.76), 0.62, turn=(0, 90, 0), round=0.3)
    for side in (-1, 1):
        b.ring((side * 0.31, 0.2, 0.95), 0.42, 0.09, "dark wood", turn=(0, 90, 0))
        b.sphere((side * 0.26, 0.2, 0.95), 0.17, "dark wood")


def turtle(b: Builder) -> None:
    b.cap((0, 0, -0.08), b.vary(0.98), 0.35)
    b.cylinder((0, 0, 0.28), 0.98, 0.14, "accent", round=0.06)
    b.limb((0, -0.8, 0.35), (0, -1.25, 0.55), 0.22, 0.26, "accent")
    for sx, sy in _SITES:
        b.limb((sx * 0.5, sy * 0.55, 0.25), (sx * 0.8, sy * 0.85, 0.1), 0.2, 0.15, "accent")
    b.limb((0, 0.85, 0.25), (0, 1.2, 0.15), 0.12, 0.04, "accent")
    _eyes(b, 0.16, -1.43, 0.66, 0.08)
    b.wear_on((0, -1.22, 0.75), 0.2)


def pig(b: Builder) -> None:
    b.ellipsoid((0, 0.15, 0.8), (0.58, 0.9, 0.56))
    _legs(b, 0.3, -0.3, 0.6, 0.5, 0.15)
    b.sphere((0, -0.7, 1.0), b.vary(0.46), blend=0.1)
    b.cylinder((0, -1.17, 0.95), 0.22, 0.26, "pink", turn=(90, 0, 0), round=0.05)
    for side in (-1, 1):
        b.sphere((side * 0.08, -1.3, 0.95), 0.05, "black")
        b.cone((side * 0.28, -0.68, 1.32), 0.18, 0.02, 0.34, turn=(-15, side * 25, 0))
    b.ring((0, 1.06, 0.95), 0.1, 0.04, "flat main", turn=(90, 0, 0))
    _eyes(b, 0.2, -1.05, 1.2, 0.09)
    b.wear_on((0, -0.68, 1.4), 0.26)


def elephant(b: Builder) -> None:
    b.ellipsoid((0, 0.3, 1.15), (0.7, 0.95, 0.7))
    for sx, sy in _SITES:
        b.cylinder((sx * 0.38, 0.3 + sy * 0.52, 0.4), 0.23, 0.85, round=0.06)
    b.sphere((0, -0.75, 1.5), b.vary(0.5), blend=0.15)
    for side in (-1, 1):
        b.ellipsoid((side * 0.68, -0.55, 1.5), (0.42, 0.1, 0.52), turn=(0, 0, side * -20))
        b.limb((side * 0.2, -1.15, 1.2), (side * 0.24, -1.5, 1.12), 0.08, 0.03, "accent")
    b.limb((0, -1.15, 1.4), (0, -1.4, 0.8), 0.19, 0.14)
    b.limb((0, -1.4, 0.8), (0, -1.55, 0.35), 0.14, 0.11)
    b.limb((0, 1.2, 1.2), (0, 1.4, 0.7), 0.06, 0.05)
    _eyes(b, 0.25, -1.18, 1.62, 0.08)
    b.wear_on((0, -0.72, 1.93), 0.32)


def bear(b: Builder) -> None:
    b.ellipsoid((0, 0.05, 0.75), (0.6, 0.52, 0.65))
    b.ellipsoid((0, -0.3, 0.72), (0.4, 0.24, 0.44), "accent")
    b.sphere((0, -0.05, 1.65), b.vary(0.5), blend=0.1)
    b.ellipsoid((0, -0.5, 1.52), (0.22, 0.18, 0.17), "accent")
    b.sphere((0, -0.67, 1.58), 0.08, "black")
    for side in (-1, 1):
        b.sphere((side * 0.4, -0.02, 2.05), 0.19)
        b.limb((side * 0.5, -0.05, 1.1), (side * 0.78, -0.3, 0.75), 0.19, 0.18)
        b.limb((side * 0.33, -0.15, 0.3), (side * 0.42, -0.62, 0.22), 0.23, 0.22)
        b.sphere((side * 0.44, -0.7, 0.22), 0.17, "accent")
        b.sphere((side * 0.18, -0.5, 1.75), 0.075, "black")
    b.wear_on((0, -0.03, 2.05), 0.32)


def bee(b: Builder) -> None:
    b.ellipsoid((0, 0.2, 0.8), (0.52, 0.8, 0.52))
    if b.recipe.pattern == "plain":
        for y in (-0.05, 0.3, 0.65):
            b.box((0, y, 0.8), (2, 0.17, 2), "black", decal=True)
    b.sphere((0, -0.65, 0.85), b.vary(0.36), "black")
    for side in (-1, 1):
        b.ellipsoid((side * 0.62, 0.15, 1.4), (0.55, 0.3, 0.06), "accent", turn=(0, -side * 30, side * 15))
        b.limb((side * 0.12, -0.8, 1.1), (side * 0.22, -1.0, 1.45), 0.04, 0.05, "black")
    b.cone((0, 0.95, 0.8), 0.12, 0.01, 0.28, "black", along=(0, 1, 0))
    _eyes(b, 0.18, -0.92, 0.95, 0.12)


def butterfly(b: Builder) -> None:
    b.limb((0, 0, 0.4), (0, 0, 1.5), 0.09, 0.12, "black")
    b.sphere((0, 0, 1.68), 0.17, "black")
    for side in (-1, 1):
        b.ellipsoid((side * 0.68, 0.02, 1.38), (0.66, 0.07, 0.48), turn=(0, -side * 30, 0))
        b.ellipsoid(
            (side * 0.5, 0.02, 0.66), (0.5, 0.07, 0.38), "accent" if b.recipe.second else "main", turn=(0, side * 30, 0)
        )
        b.limb((side * 0.06, 0, 1.8), (side * 0.3, 0, 2.2), 0.035, 0.05, "black")


def octopus(b: Builder) -> None:
    b.ellipsoid((0, 0, 1.25), (0.65, 0.65, b.vary(0.75)))
    for i in range(8):
        a = (i + 0.5) * math.pi / 4
        x, y = math.cos(a), math.sin(a)
        b.limb((0.35 * x, 0.35 * y, 0.75), (0.85 * x, 0.85 * y, 0.2), 0.2, 0.15, blend=0.1)
        b.limb((0.85 * x, 0.85 * y, 0.2), (1.25 * x, 1.25 * y, 0.3), 0.15, 0.07)
    _eyes(b, 0.25, -0.58, 1.3, 0.17)
    b.wear_on((0, 0, 1.8), 0.42)


KINDS = (
    Kind("cat", cat, ("kitten", "house cat"), "snout", "white", ("black", "orange", "grey", "white"), wears=True),
    Kind("dog", dog, ("puppy", "doggy"), "ears", "dark wood", ("brown", "beige", "white"), wears=True),
    Kind("rabbit", rabbit, ("bunny", "hare"), "tail", "white", ("white", "grey", "brown")),
    Kind("mouse", mouse, ("little mouse", "rat"), colours=("grey", "white")),
    Kind("duck", duck, ("rubber duck", "duckling"), "beak", "orange", ("yellow", "white"), wears=True),
    Kind("penguin", penguin, ("little penguin",), "belly", "white", ("black", "blue"), wears=True),
    Kind("owl", owl, ("little owl",), "belly", "cream", ("brown", "grey", "purple"), wears=True),
    Kind("fish", fish, ("goldfish", "tropical fish"), "fins", "yellow", ("orange", "blue")),
    Kind("snail", snail, ("garden snail",), "body", "biscuit", ("brown", "orange")),
    Kind("turtle", turtle, ("tortoise",), "legs", "leaf", ("green", "brown", "dark green"), wears=True),
    Kind("pig", pig, ("piglet", "piggy bank"), colours=("pink",), wears=True),
    Kind("elephant", elephant, ("baby elephant",), "tusks", "white", ("grey", "light blue"), wears=True),
    Kind("bear", bear, ("teddy bear", "teddy"), "belly", "biscuit", ("brown", "beige", "white"), wears=True),
    Kind("bee", bee, ("bumblebee", "honey bee"), "wings", "white", ("yellow", "orange")),
    Kind("butterfly", butterfly, ("moth",), "lower wings", colours=("blue", "orange", "yellow", "pink")),
    Kind("octopus", octopus, ("little octopus",), colours=("purple", "red", "orange"), wears=True),
)
