# SPDX-License-Identifier: GPL-3.0-or-later
"""Plants and mushrooms."""

from __future__ import annotations

import math

import numpy as np

from .construct import Builder
from .recipe import Kind


def mushroom(b: Builder) -> None:
    cap = b.vary(1.0)
    b.cone((0, 0, 0), 0.42, 0.3, 1.1, "cream")
    b.ellipsoid((0, 0, 0.08), (0.46, 0.46, 0.2), "cream", blend=0.15)
    b.group()
    # A dotted mushroom wears its spots in rings, as toadstools do, instead of the solid pattern.
    b.ellipsoid((0, 0, 0.95), (cap, cap, 0.85), "flat main" if b.dotted else "main")
    b.box((0, 0, 0.25), (4, 4, 1.4), "cream", cut=True)
    if b.dotted:
        b.sphere((0, 0, 1.8), 0.24, "second", decal=True)
        for count, height, r, start in ((5, 0.68, 0.22, 0.25), (8, 0.28, 0.2, 0.0)):
            for i in range(count):
                a = (i + start) * 2 * math.pi / count
                across = math.cos(math.asin(height)) * cap
                b.sphere((across * math.cos(a), across * math.sin(a), 0.95 + 0.85 * height), r, "second", decal=True)


def tree(b: Builder) -> None:
    b.cone((0, 0, 0), 0.25, 0.16, 1.1, "accent")
    b.sphere((0, 0, 1.75), b.vary(0.75))
    tufts = (
        (0.5, 0.1, 1.45, 0.5), (-0.5, -0.1, 1.5, 0.52), (0.05, 0.5, 1.5, 0.5), (-0.05, -0.45, 1.4, 0.5),
        (0.15, 0, 2.2, 0.5),
    )  # fmt: skip
    for x, y, z, r in tufts:
        b.sphere((x, y, z), r, blend=0.12)


def pine_tree(b: Builder) -> None:
    b.cylinder((0, 0, 0.3), 0.16, 0.7, "accent")
    for z, r, h in ((0.45, 0.92, 0.95), (1.0, 0.74, 0.85), (1.5, 0.54, 0.85)):
        b.cone((0, 0, z), b.vary(r), 0.02, h)


def cactus(b: Builder) -> None:
    b.limb((0, 0, 0.45), (0, 0, 2.1), 0.34, 0.32)
    for side, low in ((-1, 0.95), (1, 1.2)):
        b.limb((0, 0, low), (side * 0.72, 0, low), 0.19, 0.19)
        b.limb((side * 0.72, 0, low), (side * 0.72, 0, low + 0.62), 0.19, 0.18)
    b.group()
    b.cone((0, 0, -0.2), 0.42, 0.6, 0.6, "accent")
    b.cylinder((0, 0, 0.4), 0.66, 0.16, "accent", round=0.04)


def flower(b: Builder) -> None:
    b.limb((0, 0, 0.05), (0, 0, 1.5), 0.07, 0.06, "leaf")
    for side in (-1, 1):
        b.ellipsoid((side * 0.38, 0, 0.5), (0.4, 0.16, 0.07), "leaf", turn=(0, -side * 35, 0))
    for i in range(8):
        a = i * 45
        r = math.radians(a)
        b.ellipsoid((0.46 * math.cos(r), -0.06, 1.75 + 0.46 * math.sin(r)), (0.34, 0.09, 0.18), turn=(0, -a, 0))
    b.ellipsoid((0, -0.1, 1.75), (0.27, 0.14, 0.27), "accent")


def tulip(b: Builder) -> None:
    b.limb((0, 0, 0.05), (0, 0, 1.4), 0.07, 0.07, "leaf")
    for side in (-1, 1):
        b.ellipsoid((side * 0.22, 0, 0.6), (0.1, 0.2, 0.65), "dark leaf", turn=(0, side * 18, 0))
    b.ellipsoid((0, 0, 1.75), (0.42, 0.42, 0.52))
    b.box((0, 0, 2.3), (2, 2, 0.5), cut=True)
    for i in range(6):
        a = i * math.pi / 3
        b.limb((0.34 * math.cos(a), 0.34 * math.sin(a), 1.8), (0.36 * math.cos(a), 0.36 * math.sin(a), 2.2), 0.16, 0.06)


def palm_tree(b: Builder) -> None:
    lean = 0.12
    for i in range(4):
        b.cone((lean * i, 0, 0.5 * i), 0.2 - 0.015 * i, 0.15 - 0.015 * i, 0.54, "accent", turn=(0, 13, 0))
    top = np.array([0.5, 0, 2.05])
    for i in range(7):
        a = i * 2 * math.pi / 7 + 0.2
        out = np.array([math.cos(a), math.sin(a), 0])
        b.limb(top, top + out * 0.5 + [0, 0, 0.2], 0.1, 0.15)
        b.limb(top + out * 0.5 + [0, 0, 0.2], top + out * 1.0 + [0, 0, -0.25], 0.15, 0.04)
    for x, y in ((0.15, -0.12), (-0.15, -0.1), (0.0, 0.15)):
        b.sphere((0.5 + x, y, 1.92), 0.13, "stem")


KINDS = (
    Kind("mushroom", mushroom, ("toadstool", "fungus"), colours=("red", "brown", "purple"), small=True),
    Kind("tree", tree, ("leafy tree", "broadleaf tree"), "trunk", "stem", colours=("green", "orange", "pink")),
    Kind("pine tree", pine_tree, ("fir tree", "conifer", "christmas tree"), "trunk", "stem", ("dark green", "green")),
    Kind(
        "cactus",
        cactus,
        ("cactus in a pot", "saguaro cactus"),
        "pot",
        "terracotta",
        ("green", "dark green"),
        small=True,
    ),
    Kind("flower", flower, ("daisy", "blossom"), "centre", "yellow", small=True),
    Kind("tulip", tulip, ("tulip flower",), colours=("red", "yellow", "pink", "purple"), small=True),
    Kind("palm tree", palm_tree, ("palm", "coconut palm"), "trunk", "stem", colours=("green", "dark green")),
)
