# SPDX-License-Identifier: GPL-3.0-or-later
"""Furniture: things to sit on, lie on, put things on, and see by."""

from __future__ import annotations

from .construct import Builder
from .recipe import Kind

_SITES = ((-1, -1), (1, -1), (-1, 1), (1, 1))


def _legs(b: Builder, x: float, y: float, top: float, r: float, paint: str, splay: float = 0.0) -> None:
    """Four legs from height `top` down to 0, at +-x, +-y."""
    for sx, sy in _SITES:
        b.limb((sx * x, sy * y, top), (sx * (x + splay), sy * (y + splay), r), r, r * 0.85, paint)


def chair(b: Builder) -> None:
    seat, back = b.vary(0.9), b.vary(1.15)
    b.box((0, 0, seat), (1.0, 1.0, 0.16), round=0.05)
    b.box((0, 0.44, seat + back / 2), (1.0, 0.14, back), round=0.05)
    _legs(b, 0.4, 0.4, seat, 0.075, "accent", splay=0.03)


def armchair(b: Builder) -> None:
    b.box((0, 0.05, 0.4), (1.7, 1.4, 0.55), round=0.12)
    b.box((0, 0.6, 0.95), (1.7, 0.38, b.vary(1.2)), round=0.16)
    for side in (-1, 1):
        b.box((side * 0.75, -0.02, 0.62), (0.34, 1.4, 0.72), round=0.15)
    b.box((0, -0.1, 0.72), (1.1, 1.1, 0.24), "accent" if b.recipe.second else "main", round=0.1)
    _legs(b, 0.65, 0.55, 0.2, 0.07, "dark wood")


def sofa(b: Builder) -> None:
    b.box((0, 0, 0.38), (2.8, 1.15, 0.46), round=0.1)
    b.box((0, 0.45, 0.82), (2.8, 0.34, b.vary(0.95)), round=0.14)
    for side in (-1, 1):
        b.box((side * 1.32, -0.02, 0.6), (0.34, 1.15, 0.66), round=0.15)
        b.box((side * 0.58, -0.12, 0.66), (1.1, 0.92, 0.22), "accent" if b.recipe.second else "main", round=0.09)
    for side in (-1, 1):
        b.cylinder((side * 1.2, -0.42, 0.1), 0.07, 0.22, "dark wood")
        b.cylinder((side * 1.2, 0.42, 0.1), 0.07, 0.22, "dark wood")


def table(b: Builder) -> None:
    h = b.vary(1.1)
    b.box((0, 0, h), (2.1, 1.4, 0.16), round=0.04)
    for sx, sy in _SITES:
        b.box((sx * 0.9, sy * 0.56, h / 2), (0.17, 0.17, h), "accent")
    b.carry_on((0, 0, h + 0.08), 0.7)


def round_table(b: Builder) -> None:
    h = b.vary(1.05)
    b.cylinder((0, 0, h), 1.0, 0.14, round=0.05)
    b.cylinder((0, 0, h / 2), 0.11, h, "accent")
    b.cone((0, 0, 0), 0.55, 0.12, 0.22, "accent")
    b.carry_on((0, 0, h + 0.07), 0.85)


def stool(b: Builder) -> None:
    h = b.vary(1.1)
    b.cylinder((0, 0, h), 0.55, 0.2, round=0.08)
    for sx, sy in _SITES:
        b.limb((sx * 0.3, sy * 0.3, h), (sx * 0.45, sy * 0.45, 0.06), 0.065, 0.055, "accent")
    b.ring((0, 0, h * 0.4), 0.54, 0.035, "accent")
    b.carry_on((0, 0, h + 0.1), 0.5)


def bed(b: Builder) -> None:
    b.box((0, 0, 0.4), (1.5, 2.4, 0.3), "wood", round=0.03)
    b.box((0, -0.25, 0.62), (1.44, 1.8, 0.3), round=0.1)
    b.box((0, 0.7, 0.58), (1.44, 0.9, 0.26), "white", round=0.1)
    b.box((0, 0.85, 0.78), (1.05, 0.5, 0.22), "accent", round=0.1)
    b.box((0, 1.2, 0.75), (1.6, 0.12, 1.3), "wood", round=0.05)
    b.box((0, -1.2, 0.5), (1.6, 0.12, 0.7), "wood", round=0.05)
    _legs(b, 0.7, 1.15, 0.3, 0.08, "wood")


def bookshelf(b: Builder) -> None:
    b.box((0, 0, 1.3), (1.7, 0.62, 2.6), round=0.03)
    for level in range(3):
        b.box((0, -0.25, 0.5 + 0.82 * level), (1.42, 0.62, 0.68), "dark wood", cut=True)
    colours = ("red", "blue", "leaf", "yellow", "cream", "accent")
    for level in range(3):
        for i in range(5):
            height = 0.4 + 0.16 * ((i * 7 + level * 3) % 4) / 3
            b.box((-0.52 + 0.24 * i, -0.02, 0.17 + 0.82 * level + height / 2), (0.21, 0.36, height),
                  colours[(i * 2 + level) % 6])  # fmt: skip


def lamp(b: Builder) -> None:
    b.cylinder((0, 0, 0.06), 0.48, 0.14, "accent", round=0.04)
    b.cylinder((0, 0, 0.8), 0.07, 1.5, "accent")
    b.cone((0, 0, 1.25), b.vary(0.85), 0.45, 0.95)
    b.sphere((0, 0, 1.2), 0.24, "lamplight")


def wardrobe(b: Builder) -> None:
    b.box((0, 0, 1.25), (1.7, 0.9, 2.3), round=0.04)
    b.box((0, 0, 2.45), (1.85, 1.0, 0.14), "accent", round=0.03)
    b.box((0, 0, 0.08), (1.8, 0.95, 0.16), "accent", round=0.02)
    b.box((0, -0.45, 1.25), (0.035, 0.06, 2.1), "black", decal=True)
    for side in (-1, 1):
        b.sphere((side * 0.14, -0.5, 1.25), 0.08, "gold")


def bathtub(b: Builder) -> None:
    b.box((0, 0, 0.62), (2.5, 1.25, 0.85), round=0.4)
    b.box((0, 0, 1.1), (4, 4, 0.3), cut=True)
    b.box((0, 0, 0.85), (2.2, 0.98, 1.0), "white", round=0.34, cut=True)
    b.box((0, 0, 0.95), (2.56, 1.31, 0.09), round=0.04)
    b.box((0, 0, 0.95), (2.2, 0.98, 1.0), "white", round=0.34, cut=True)
    for sx, sy in _SITES:
        b.sphere((sx * 0.8, sy * 0.4, 0.14), 0.15, "gold")
    b.arc((1.18, 0, 1.12), 0.16, 0.06, "steel", towards=(0, 0, 1))


KINDS = (
    Kind("chair", chair, ("dining chair", "kitchen chair"), "legs", "wood"),
    Kind("armchair", armchair, ("easy chair", "lounge chair"), "cushion"),
    Kind("sofa", sofa, ("couch", "settee"), "cushions"),
    Kind("table", table, ("dining table", "desk"), "legs", "wood", carries=True),
    Kind("round table", round_table, ("side table", "coffee table"), "leg", "wood", carries=True),
    Kind("stool", stool, ("bar stool",), "legs", "wood", carries=True),
    Kind("bed", bed, ("single bed",), "pillow", "white"),
    Kind("bookshelf", bookshelf, ("bookcase", "shelf with books")),
    Kind("lamp", lamp, ("table lamp", "desk lamp"), "stand", "dark steel"),
    Kind("wardrobe", wardrobe, ("cupboard", "closet"), "top", "dark wood"),
    Kind("bathtub", bathtub, ("bath", "bath tub")),
)
