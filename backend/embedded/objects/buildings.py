# SPDX-License-Identifier: GPL-3.0-or-later
"""Buildings; the door is on the front."""

from __future__ import annotations

import math

from .construct import Builder
from .recipe import Kind


def house(b: Builder) -> None:
    b.box((0, 0, 0.65), (1.7, 1.5, 1.3))
    b.prism((0, 0, 1.64), (2.0, 1.75, b.vary(0.75)), "accent", round=0.02)
    b.prism((0, 0, 1.55), (1.68, 1.5, 0.6), "main")
    b.box((0.5, 0.3, 1.85), (0.26, 0.26, 0.8), "grey")
    b.box((0, -0.75, 0.38), (0.42, 0.1, 0.78), "door", decal=True)
    for side in (-1, 1):
        b.box((side * 0.55, -0.75, 0.75), (0.36, 0.1, 0.36), "glass", decal=True)
        b.box((side * 0.85, 0, 0.75), (0.1, 0.5, 0.4), "glass", decal=True)


def castle_tower(b: Builder) -> None:
    b.cylinder((0, 0, 1.0), 0.7, 2.0)
    b.cylinder((0, 0, 2.15), 0.86, 0.45)
    b.cylinder((0, 0, 2.35), 0.66, 0.4, "slate", cut=True)
    for i in range(4):
        b.box((0, 0, 2.4), (0.3, 3, 0.34), "flat main", cut=True, turn=(0, 0, 22.5 + 45 * i))
    b.cylinder((0, -0.62, 0.4), 0.24, 0.4, "door", turn=(90, 0, 0), decal=True)
    b.box((0, -0.62, 0.2), (0.48, 0.4, 0.42), "door", decal=True)
    for a in (0, 90, 180, 270):
        x, y = math.sin(math.radians(a)), -math.cos(math.radians(a))
        b.box((0.7 * x, 0.7 * y, 1.35), (0.16, 0.16, 0.42), "black", decal=True)


def castle(b: Builder) -> None:
    b.box((0, 0, 0.5), (1.9, 1.9, 1.0))
    b.box((0, 0, 0.95), (1.6, 1.6, 0.4), cut=True)
    b.box((0, -0.95, 0.3), (0.5, 0.3, 0.6), "door", decal=True)
    b.cylinder((0, -0.95, 0.6), 0.25, 0.3, "door", turn=(90, 0, 0), decal=True)
    b.group()
    b.box((0, 0.1, 0.8), (0.8, 0.8, 1.6))
    b.pyramid((0, 0.1, 1.9), (1.0, 1.0, 0.62), "accent")
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.cylinder((sx * 0.95, sy * 0.95, 0.75), 0.32, 1.5)
            b.cone((sx * 0.95, sy * 0.95, 1.48), 0.42, 0.01, b.vary(0.75), "accent")


def lighthouse(b: Builder) -> None:
    b.cylinder((0, 0, 0.1), 0.85, 0.25, "stone", round=0.08)
    b.cone((0, 0, 0.2), 0.58, 0.36, 2.1)
    b.cylinder((0, 0, 2.34), 0.52, 0.12, "dark steel")
    b.cylinder((0, 0, 2.58), 0.28, 0.4, "lamplight")
    b.cone((0, 0, 2.76), 0.42, 0.02, b.vary(0.4), "accent")
    b.box((0, -0.55, 0.48), (0.3, 0.4, 0.55), "door", decal=True)


def windmill(b: Builder) -> None:
    b.cone((0, 0, 0), 0.72, 0.42, 1.7)
    b.cone((0, 0, 1.68), 0.52, 0.05, 0.55, "accent")
    b.box((0, -0.7, 0.35), (0.36, 0.5, 0.7), "door", decal=True)
    b.cylinder((0, -0.55, 1.72), 0.09, 0.4, "dark wood", turn=(90, 0, 0))
    for i in range(4):
        a = 45 + 90 * i
        r = math.radians(a)
        b.box(
            (0.62 * math.sin(r), -0.7, 1.72 + 0.62 * math.cos(r)),
            (0.3, 0.06, b.vary(0.95)),
            "cream",
            turn=(0, a, 0),
            round=0.02,
        )
        b.limb((0, -0.72, 1.72), (1.12 * math.sin(r), -0.72, 1.72 + 1.12 * math.cos(r)), 0.045, 0.035, "dark wood")


def tent(b: Builder) -> None:
    b.prism((0, 0, 0.7), (2.0, 2.1, b.vary(1.4)), round=0.02)
    b.prism((0, -0.95, 0.5), (0.75, 0.6, 1.0), "black", cut=True)
    for y in (-1.05, 1.05):
        b.limb((0, y, 0.0), (0, y, 1.55), 0.04, 0.04, "wood")


def igloo(b: Builder) -> None:
    b.cap((0, 0.2, 0), b.vary(1.0), 0.0)
    b.cylinder((0, -0.85, 0.0), 0.48, 0.7, turn=(90, 0, 0))
    b.cylinder((0, -0.95, 0.0), 0.32, 0.7, "dark steel", turn=(90, 0, 0), cut=True)
    b.box((0, 0, -1), (6, 6, 2), cut=True)


def well(b: Builder) -> None:
    b.cylinder((0, 0, 0.45), 0.75, 0.9, round=0.04)
    b.cylinder((0, 0, 0.75), 0.55, 0.8, "black", cut=True)
    b.group()
    for side in (-1, 1):
        b.cylinder((side * 0.66, 0, 1.2), 0.08, 1.5, "wood")
    b.limb((-0.66, 0, 1.45), (0.66, 0, 1.45), 0.07, 0.07, "dark wood")
    b.prism((0, 0, 2.15), (1.5, 1.9, b.vary(0.6)), "accent", turn=(0, 0, 90))
    b.cylinder((0, 0, 1.2), 0.03, 0.5, "straw")
    b.cone((0, 0, 0.85), 0.13, 0.18, 0.26, "wood")


def temple(b: Builder) -> None:
    b.box((0, 0, 0.1), (2.2, 1.8, 0.2))
    b.box((0, 0, 0.27), (2.0, 1.6, 0.16))
    for y in (-0.65, 0.65):
        for i in range(4):
            b.cylinder((-0.84 + 0.56 * i, y, 0.9), 0.13, 1.15)
    b.box((0, 0.1, 0.9), (1.3, 0.9, 1.15), "grey")
    b.box((0, 0, 1.52), (2.0, 1.6, 0.18))
    b.prism((0, 0, 1.85), (2.1, 1.65, b.vary(0.5)), "accent" if b.recipe.second else "main")


def pyramid(b: Builder) -> None:
    b.pyramid((0, 0, 0.65), (1.9, 1.9, b.vary(1.3)))
    b.box((0, -1.0, 0.17), (0.32, 0.6, 0.36), "black", decal=True)


KINDS = (
    Kind("house", house, ("small house", "cottage"), "roof", "roof"),
    Kind("castle tower", castle_tower, ("round tower", "tower"), colours=("grey", "beige")),
    Kind("castle", castle, ("fortress", "fairy tale castle"), "roofs", "blue", ("grey", "white", "pink")),
    Kind("lighthouse", lighthouse, ("light house",), "roof", "red", ("white", "red")),
    Kind("windmill", windmill, ("wind mill",), "roof", "dark wood", ("white", "beige")),
    Kind("tent", tent, ("camping tent", "ridge tent")),
    Kind("igloo", igloo, ("snow hut",), colours=("white", "light blue")),
    Kind("well", well, ("wishing well", "water well"), "roof", "roof", ("grey", "beige")),
    Kind("temple", temple, ("greek temple", "temple with columns"), "roof", colours=("white", "beige")),
    Kind("pyramid", pyramid, ("egyptian pyramid",), colours=("beige", "yellow")),
)
