# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools, toys and other things."""

from __future__ import annotations

from .construct import Builder
from .recipe import Kind


def hammer(b: Builder) -> None:
    b.cylinder((0, 0, 0.9), 0.12, b.vary(1.9), "accent", round=0.05)
    b.box((0, 0, 1.9), (0.5, 0.42, 0.42), round=0.05)
    b.cylinder((-0.45, 0, 1.9), 0.25, 0.42, turn=(0, 90, 0), round=0.05)
    b.prism((0.5, 0, 1.9), (0.4, 0.34, 0.75), turn=(0, 90, 0))


def axe(b: Builder) -> None:
    b.limb((0, 0, 0.1), (0, 0, 2.3), 0.11, 0.1, "accent")
    b.cylinder((0.2, 0, 1.9), b.vary(0.72), 0.14, turn=(90, 0, 0), round=0.03)
    b.box((-0.66, 0, 1.9), (1.2, 1, 2), cut=True)
    b.cylinder((0.1, 0, 2.6), 0.4, 1, turn=(90, 0, 0), cut=True)
    b.cylinder((0.1, 0, 1.2), 0.4, 1, turn=(90, 0, 0), cut=True)
    b.group()
    b.limb((0, 0, 0.1), (0, 0, 2.3), 0.12, 0.11, "accent")
    b.box((-0.02, 0, 1.9), (0.34, 0.26, 0.5), round=0.04)


def sword(b: Builder) -> None:
    b.box((0, 0, 1.6), (0.26, 0.1, b.vary(1.9)))
    b.pyramid((0, 0, 2.7), (0.26, 0.1, 0.3))
    b.box((0, 0, 0.65), (0.95, 0.18, 0.16), "accent", round=0.05)
    b.cylinder((0, 0, 0.38), 0.09, 0.45, "dark wood")
    b.sphere((0, 0, 0.1), 0.15, "accent")


def shield(b: Builder) -> None:
    b.ellipsoid((0, 0, 1.0), (0.85, 0.2, b.vary(1.1)))
    b.box((0, 0, 1.9), (3, 3, 0.5), cut=True)
    b.box((0, 1.03, 1.0), (3, 2, 4), "dark wood", cut=True)
    b.box((0, 0, 1.05), (0.2, 3, 3), "accent", decal=True)
    b.box((0, 0, 1.2), (3, 3, 0.2), "accent", decal=True)
    b.group()
    b.sphere((0, -0.12, 1.2), 0.2, "steel")


def key(b: Builder) -> None:
    b.ring((0, 0, 1.9), 0.42, 0.13, turn=(90, 0, 0))
    b.cylinder((0, 0, 0.85), 0.11, b.vary(1.4))
    b.box((0.24, 0, 0.3), (0.42, 0.16, 0.18), round=0.02)
    b.box((0.2, 0, 0.62), (0.32, 0.16, 0.18), round=0.02)
    b.cylinder((0, 0, 1.42), 0.17, 0.12)


def book(b: Builder) -> None:
    b.box((0, 0, 0.95), (1.4, 0.5, 1.9), round=0.04)
    b.box((0.08, 0, 0.95), (1.35, 0.36, 2.4), "page", cut=True)
    b.box((0.04, 0, 0.95), (1.25, 0.37, 1.78), "page")
    b.box((0, -0.26, 1.3), (0.8, 0.12, 0.3), "accent", decal=False, round=0.02)


def stacked_book(b: Builder) -> None:
    z = 0.0
    for i, (w, paint) in enumerate(((1.5, "main"), (1.35, "accent"), (1.2, "main"))):
        b.group()
        turn = (0, 0, (8, -14, 16)[i])
        b.box((0, 0, z + 0.2), (w, w * 0.72, 0.4), paint, round=0.03, turn=turn)
        b.box((0.06, 0, z + 0.2), (w, w * 0.78, 0.28), "page", cut=True, turn=turn)
        b.box((0.03, 0, z + 0.2), (w * 0.93, w * 0.66, 0.29), "page", turn=turn)
        z += 0.41
    b.carry_on((0, 0, z - 0.01), 0.45)


def chest(b: Builder) -> None:
    b.box((0, 0, 0.4), (1.6, 1.0, 0.8), round=0.02)
    b.cylinder((0, 0, 0.82), 0.5, b.vary(1.6), turn=(0, 90, 0))
    for x in (-0.6, 0.6):
        b.box((x, 0, 0.42), (0.16, 1.06, 0.84), "accent", round=0.02)
        b.cylinder((x, 0, 0.82), 0.53, 0.16, "accent", turn=(0, 90, 0))
    b.box((0, 0, 0.82), (1.64, 1.04, 0.1), "accent", round=0.02)
    b.box((0, -0.52, 0.76), (0.26, 0.14, 0.32), "gold", round=0.03)
    b.carry_on((0, 0, 1.31), 0.42)


def crate(b: Builder) -> None:
    b.box((0, 0, 0.7), (1.3, 1.3, 1.3))
    for a in (-1, 1):
        for c in (-1, 1):
            b.box((a * 0.62, c * 0.62, 0.7), (0.2, 0.2, 1.44), "accent")
            b.box((a * 0.62, 0, 0.7 + c * 0.62), (0.2, 1.44, 0.2), "accent")
            b.box((0, a * 0.62, 0.7 + c * 0.62), (1.44, 0.2, 0.2), "accent")
    b.carry_on((0, 0, 1.41), 0.65)


def gift(b: Builder) -> None:
    b.box((0, 0, 0.55), (1.3, 1.3, 1.1), round=0.03)
    b.box((0, 0, 1.1), (1.42, 1.42, 0.3), round=0.03)
    b.box((0, 0, 0.63), (0.24, 1.46, 1.27), "accent")
    b.box((0, 0, 0.63), (1.46, 0.24, 1.27), "accent")
    for side in (-1, 1):
        b.ring((side * 0.27, 0, 1.42), 0.22, 0.09, "accent", turn=(90, 0, 0))
    b.sphere((0, 0, 1.36), 0.14, "accent")


def ball(b: Builder) -> None:
    b.sphere((0, 0, 1), 1.0)
    if b.recipe.second and b.recipe.pattern == "plain":
        b.box((0, 0, 1), (3, 3, 0.42), "accent", decal=True)


def candle(b: Builder) -> None:
    b.cylinder((0, 0, 0.1), 0.75, 0.14, "accent", round=0.06)
    b.arc((0.8, 0, 0.14), 0.2, 0.06, "accent", degrees=300)
    b.cylinder((0, 0, 0.85), 0.34, b.vary(1.4), round=0.05)
    b.cylinder((0, 0, 1.62), 0.04, 0.2, "black")
    b.limb((0, 0, 1.82), (0, 0, 2.12), 0.14, 0.03, "flame")


def umbrella(b: Builder) -> None:
    b.cap((0, 0, 1.2), 1.1, 0.12)
    b.cap((0, 0, 1.12), 1.08, 0.1, "flat main", cut=True)
    b.group()
    b.limb((0, 0, 0.35), (0, 0, 2.5), 0.055, 0.04, "accent")
    b.arc((0.2, 0, 0.35), 0.2, 0.065, "accent", towards=(0, 0, -1))


def bell(b: Builder) -> None:
    b.cap((0, 0, 1.25), 0.55, 0.0)
    b.cone((0, 0, 0.55), 0.68, 0.55, 0.72, blend=0.05)
    b.cone((0, 0, 0.25), b.vary(0.98), 0.68, 0.32, blend=0.1)
    b.cone((0, 0, 0.1), 0.85, 0.4, 0.9, "flat main", cut=True)
    b.group()
    b.sphere((0, 0, 0.22), 0.24, "dark wood")
    b.ring((0, 0, 1.95), 0.2, 0.08, turn=(90, 0, 0))


def dice(b: Builder) -> None:
    b.box((0, 0, 0.8), (1.6, 1.6, 1.6), round=0.2)
    d, e = 0.42, 0.82
    pips = [
        (0, -e, 0), (d, e, d), (-d, e, -d), (e, d, d), (e, -d, -d), (e, 0, 0), (-e, d, d), (-e, -d, d), (-e, d, -d),
        (-e, -d, -d), (d, d, e), (-d, d, e), (d, -d, e), (-d, -d, e), (0, 0, e),
    ]  # fmt: skip
    for x, y, z in pips:
        b.sphere((x, y, 0.8 + z), 0.22, "accent", decal=True)


def guitar(b: Builder) -> None:
    b.cylinder((0, 0, 0.6), 0.62, 0.3, turn=(90, 0, 0), round=0.05)
    b.cylinder((0, 0, 1.25), 0.46, 0.3, turn=(90, 0, 0), round=0.05, blend=0.2)
    b.cylinder((0, -0.1, 0.95), 0.2, 0.2, "black", turn=(90, 0, 0), decal=True)
    b.box((0, -0.1, 2.1), (0.18, 0.16, b.vary(1.4)), "accent", round=0.02)
    b.box((0, -0.1, 2.95), (0.3, 0.14, 0.4), "accent", round=0.03)
    b.box((0, -0.17, 0.5), (0.42, 0.08, 0.1), "dark wood")


def drum(b: Builder) -> None:
    b.cylinder((0, 0, 0.6), 0.85, b.vary(1.0))
    for z in (0.12, 1.08):
        b.cylinder((0, 0, z), 0.92, 0.16, "accent", round=0.05)
    b.cylinder((0, 0, 1.13), 0.82, 0.1, "cream")
    for side in (-1, 1):
        b.limb((side * 0.15, -0.6, 1.24), (side * -0.45, 0.5, 1.34), 0.05, 0.05, "wood")


def camera(b: Builder) -> None:
    b.box((0, 0, 0.6), (1.7, 0.65, 1.05), round=0.1)
    b.box((0, 0, 1.2), (0.65, 0.55, 0.3), round=0.06)
    b.cylinder((0, -0.5, 0.58), 0.42, 0.5, "accent", turn=(90, 0, 0), round=0.04)
    b.cylinder((0, -0.73, 0.58), 0.3, 0.1, "glass", turn=(90, 0, 0))
    b.cylinder((0, -0.75, 0.58), 0.15, 0.12, "blue", turn=(90, 0, 0))
    b.cylinder((0.6, 0, 1.17), 0.13, 0.14, "red")
    b.box((0, -0.28, 1.22), (0.4, 0.1, 0.18), "glass")


def clock(b: Builder) -> None:
    b.cylinder((0, 0, 0.95), 0.85, 0.4, turn=(90, 0, 0), round=0.06)
    b.cylinder((0, -0.2, 0.95), 0.7, 0.06, "white", turn=(90, 0, 0))
    b.limb((0, -0.24, 0.95), (0, -0.24, 1.42), 0.055, 0.04, "black")
    b.limb((0, -0.24, 0.95), (0.33, -0.24, 1.1), 0.055, 0.04, "black")
    for side in (-1, 1):
        b.cap((side * 0.45, 0, 1.7), 0.32, 0.02, "accent", turn=(0, side * 25, 0))
        b.limb((side * 0.4, 0, 0.3), (side * 0.6, 0, 0.0), 0.09, 0.09, "accent")
    b.arc((0, 0, 1.85), 0.22, 0.05, "accent", towards=(0, 0, 1))


def heart(b: Builder) -> None:
    for side in (-1, 1):
        b.limb((side * 0.46, 0, 1.4), (0, 0, 0.1), b.vary(0.5), 0.06)


def star(b: Builder) -> None:
    b.star((0, 0, 0.9), 1.0, b.vary(0.45), 0.36)


def gem(b: Builder) -> None:
    b.pyramid((0, 0, 0.5), (1.5, 1.5, 1.0), turn=(180, 0, 45))
    b.pyramid((0, 0, 1.35), (1.5, 1.5, 0.7), turn=(0, 0, 45))
    b.box((0, 0, 1.75), (3, 3, 0.7), cut=True)


def anchor(b: Builder) -> None:
    b.limb((0, 0, 0.2), (0, 0, 1.9), 0.12, 0.11)
    b.ring((0, 0, 2.15), 0.2, 0.08, turn=(90, 0, 0))
    b.limb((-0.5, 0, 1.65), (0.5, 0, 1.65), 0.09, 0.09, "accent")
    b.arc((0, 0, 1.0), 0.85, 0.12, degrees=170, towards=(0, 0, -1))
    for side in (-1, 1):
        b.cone((side * 0.86, 0, 0.88), 0.26, 0.02, 0.42)


def street_lamp(b: Builder) -> None:
    b.cone((0, 0, 0), 0.34, 0.2, 0.35)
    b.cylinder((0, 0, 1.2), 0.09, 2.1)
    b.cone((0, 0, 2.2), 0.2, 0.36, b.vary(0.55), "lamplight")
    b.pyramid((0, 0, 2.92), (0.85, 0.85, 0.35))
    b.sphere((0, 0, 3.12), 0.08)
    b.cylinder((0, 0, 2.2), 0.24, 0.09)


KINDS = (
    Kind("hammer", hammer, ("mallet", "claw hammer"), "handle", "wood", ("grey", "red")),
    Kind("axe", axe, ("hatchet", "woodcutter's axe"), "handle", "wood", ("grey", "red")),
    Kind("sword", sword, ("longsword", "knight's sword"), "hilt", "gold", ("grey", "light blue")),
    Kind("shield", shield, ("knight's shield",), "cross", "white", ("red", "blue")),
    Kind("key", key, ("door key", "old key"), colours=("yellow", "grey"), small=True),
    Kind("book", book, ("closed book", "hardcover book"), "label", "gold", small=True),
    Kind("stack of books", stacked_book, ("pile of books",), "middle book", "cream", carries=True),
    Kind("chest", chest, ("treasure chest", "chest with metal bands"), "bands", "gold", ("brown",), carries=True),
    Kind("crate", crate, ("box", "packing case"), "frame", "wood", ("brown", "beige"), carries=True),
    Kind("gift", gift, ("present", "gift box"), "ribbon", "yellow", ("red", "purple", "green"), small=True),
    Kind("ball", ball, ("sphere",), "belt", small=True),
    Kind("candle", candle, ("burning candle", "candle in a holder"), "holder", "gold", ("white", "red"), small=True),
    Kind("umbrella", umbrella, ("parasol", "open umbrella"), "handle", "dark wood", ("red", "black")),
    Kind("bell", bell, ("hand bell", "church bell"), colours=("yellow", "grey"), small=True),
    Kind(
        "dice",
        dice,
        ("die", "gaming dice"),
        "pips",
        "black",
        ("white", "red"),
        patterns=("wooden", "golden", "silver", "stone", "marble", "glazed", "rainbow"),
        small=True,
    ),
    Kind("guitar", guitar, ("acoustic guitar",), "neck", "dark wood", ("brown", "orange", "red")),
    Kind("drum", drum, ("snare drum", "toy drum"), "rims", "gold", ("red", "blue")),
    Kind("camera", camera, ("photo camera",), "lens", "dark steel", ("black", "grey")),
    Kind("clock", clock, ("alarm clock",), "bells", "gold", ("red", "light blue"), small=True),
    Kind("heart", heart, ("love heart",), colours=("red", "pink"), small=True),
    Kind("star", star, ("five-pointed star",), colours=("yellow", "orange"), small=True),
    Kind(
        "gem", gem, ("diamond", "jewel"), colours=("light blue", "red", "green", "purple"), small=True, proportions=()
    ),
    Kind("anchor", anchor, ("ship's anchor",), "crossbar", "wood", ("grey", "black", "blue")),
    Kind("street lamp", street_lamp, ("lamp post", "street light"), colours=("black", "dark green", "grey")),
)
