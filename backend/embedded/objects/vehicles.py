# SPDX-License-Identifier: GPL-3.0-or-later
"""Vehicles; they drive, sail and fly towards -Y."""

from __future__ import annotations

import math

from .construct import Builder
from .recipe import Kind


def _wheels(b: Builder, x: float, ys: tuple[float, ...], r: float, width: float, paint: str = "accent") -> None:
    """Pairs of wheels on the ground at +-x, each with a light hub."""
    for side in (-1, 1):
        for y in ys:
            b.cylinder((side * x, y, r), r, width, paint, round=0.05, turn=(0, 90, 0))
            b.cylinder((side * (x + width / 2), y, r), r * 0.45, 0.05, "steel", turn=(0, 90, 0))


def _lights(b: Builder, x: float, y: float, z: float, r: float) -> None:
    for side in (-1, 1):
        b.sphere((side * x, y, z), r, "lamplight")


def car(b: Builder) -> None:
    b.box((0, 0, 0.55), (1.4, 2.9, 0.55), round=0.16)
    b.box((0, 0.2, 0.98), (1.2, b.vary(1.5), 0.62), round=0.2)
    b.box((0, 0.2, 1.02), (1.3, 1.05, 0.32), "glass", round=0.05, decal=True)
    b.box((0, 0.2, 1.02), (0.95, 1.9, 0.34), "glass", round=0.05, decal=True)
    b.box((0, 0.2, 1.0), (1.4, 0.1, 0.6), "flat main", decal=True)
    _wheels(b, 0.64, (-0.88, 0.9), 0.34, 0.24)
    _lights(b, 0.48, -1.42, 0.62, 0.13)


def truck(b: Builder) -> None:
    b.box((0, -1.1, 0.95), (1.3, 0.85, 1.2), round=0.12)
    b.box((0, -1.5, 1.2), (1.05, 0.2, 0.42), "glass", decal=True)
    b.box((0, -1.2, 1.2), (1.6, 0.42, 0.38), "glass", decal=True)
    b.box((0, 0.45, 1.15), (1.4, b.vary(2.1), 1.5), "accent", round=0.05)
    b.box((0, 0, 0.42), (1.1, 3.0, 0.2), "dark steel")
    _wheels(b, 0.58, (-1.05, 0.2, 1.0), 0.34, 0.26, "tyre")
    _lights(b, 0.45, -1.52, 0.6, 0.12)


def bus(b: Builder) -> None:
    b.box((0, 0, 1.05), (1.3, 3.4, b.vary(1.5)), round=0.14)
    for i in range(5):
        b.box((0, -1.05 + 0.58 * i, 1.3), (1.5, 0.44, 0.46), "glass", decal=True)
    b.box((0, -1.7, 1.25), (1.05, 0.3, 0.6), "glass", decal=True)
    b.box((0, 1.7, 1.35), (0.9, 0.3, 0.4), "glass", decal=True)
    b.box((0, 0, 0.62), (1.4, 3.6, 0.14), "accent", decal=True)
    _wheels(b, 0.58, (-1.05, 1.05), 0.33, 0.24, "tyre")
    _lights(b, 0.45, -1.7, 0.65, 0.11)


def boat(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.75), (0.75, 1.7, 0.72))
    b.box((0, 0, 1.3), (4, 4, 1.0), cut=True)
    b.ellipsoid((0, 0, 0.9), (0.62, 1.5, 0.45), "wood", cut=True)
    b.group()
    b.cylinder((0, -0.25, 1.75), 0.07, 2.5, "dark wood")
    # Two sails of half a triangle each, one behind and one before the mast.
    b.prism((0, -0.15, 2.0), (2.5, 0.07, 1.9), "accent", turn=(0, 0, 90), round=0.01)
    b.box((0, -1.25, 2.0), (1, 2.2, 3), cut=True)
    b.group()
    b.prism((0, -0.35, 1.8), (1.9, 0.07, 1.4), "accent", turn=(0, 0, 90), round=0.01)
    b.box((0, 0.65, 2.0), (1, 2.0, 3), cut=True)
    b.group()
    b.cylinder((0, -0.25, 1.75), 0.07, 2.5, "dark wood")


def rocket(b: Builder) -> None:
    b.ellipsoid((0, 0, 1.5), (0.58, 0.58, b.vary(1.6)))
    b.box((0, 0, -0.1), (3, 3, 1.0), "dark steel", cut=True)
    b.box((0, 0, 3.0), (3, 3, 1.6), "accent", decal=True)
    for i in range(3):
        a = math.radians(90 + 120 * i)
        x, y = math.cos(a), math.sin(a)
        b.limb((0.42 * x, 0.42 * y, 1.0), (0.9 * x, 0.9 * y, 0.5), 0.13, 0.13, "accent")
        b.limb((0.9 * x, 0.9 * y, 0.5), (0.95 * x, 0.95 * y, 0.1), 0.13, 0.09, "accent")
    b.cone((0, 0, 0.15), 0.36, 0.26, 0.3, "dark steel")
    b.cylinder((0, -0.52, 1.75), 0.25, 0.14, "steel", turn=(90, 0, 0), round=0.04)
    b.cylinder((0, -0.54, 1.75), 0.17, 0.16, "glass", turn=(90, 0, 0), round=0.03)


def aeroplane(b: Builder) -> None:
    b.limb((0, -1.2, 0.9), (0, 1.4, 1.0), b.vary(0.4), 0.2)
    b.ellipsoid((0, -0.1, 0.8), (1.9, 0.42, 0.09), "accent")
    b.ellipsoid((0, 1.4, 1.0), (0.75, 0.24, 0.07), "accent")
    b.ellipsoid((0, 1.45, 1.4), (0.07, 0.26, 0.5), "accent")
    b.ellipsoid((0, -0.75, 1.2), (0.24, 0.42, 0.24), "glass")
    b.cylinder((0, -1.62, 0.9), 0.12, 0.16, "dark steel", turn=(90, 0, 0))
    b.box((0, -1.68, 0.9), (0.12, 0.05, 1.2), "dark wood", round=0.02, turn=(0, 30, 0))
    for side in (-1, 1):
        b.limb((side * 0.3, -0.6, 0.7), (side * 0.4, -0.65, 0.28), 0.06, 0.06, "dark steel")
        b.cylinder((side * 0.4, -0.65, 0.25), 0.18, 0.12, "tyre", turn=(0, 90, 0))


def train(b: Builder) -> None:
    b.cylinder((0, -0.5, 1.0), 0.55, b.vary(1.9), turn=(90, 0, 0), round=0.05)
    b.box((0, 0.85, 1.25), (1.2, 0.95, 1.4), round=0.05)
    b.box((0, 0.85, 1.5), (1.4, 0.55, 0.45), "lamplight", decal=True)
    b.box((0, 0.85, 2.0), (1.4, 1.15, 0.14), "accent", round=0.05)
    b.cone((0, -1.1, 1.4), 0.16, 0.28, 0.75, "accent")
    b.sphere((0, -0.35, 1.58), 0.22, "gold")
    b.box((0, -0.1, 0.48), (1.1, 2.7, 0.22), "dark steel")
    b.prism((0, -1.6, 0.3), (1.1, 0.4, 0.5), "dark steel", turn=(0, 0, 0))
    _wheels(b, 0.55, (-1.05, -0.35, 0.75), 0.33, 0.16, "red")
    b.sphere((0, -1.5, 1.05), 0.16, "lamplight")


def tractor(b: Builder) -> None:
    b.box((0, -0.65, 0.95), (0.8, 1.3, 0.6), round=0.1)
    b.box((0, 0.5, 1.15), (1.0, 1.0, 0.9), round=0.08)
    for sx in (-1, 1):
        for y in (0.1, 0.9):
            b.cylinder((sx * 0.44, y, 1.85), 0.05, 0.8, "dark steel")
    b.box((0, 0.5, 2.27), (1.15, 1.1, 0.12), "flat main", round=0.05)
    b.cylinder((0.25, -0.9, 1.55), 0.07, 0.7, "dark steel")
    for side in (-1, 1):
        b.cylinder((side * 0.68, 0.6, 0.75), 0.75, 0.34, "tyre", round=0.08, turn=(0, 90, 0))
        b.cylinder((side * 0.86, 0.6, 0.75), 0.4, 0.06, "accent", turn=(0, 90, 0))
        b.cylinder((side * 0.55, -0.95, 0.42), 0.42, 0.24, "tyre", round=0.06, turn=(0, 90, 0))
        b.cylinder((side * 0.68, -0.95, 0.42), 0.22, 0.05, "accent", turn=(0, 90, 0))
    _lights(b, 0.25, -1.3, 1.0, 0.1)


def hot_air_balloon(b: Builder) -> None:
    b.sphere((0, 0, 2.2), b.vary(1.0))
    b.cone((0, 0, 0.95), 0.3, 0.82, 0.7, blend=0.1)
    b.box((0, 0, 0.22), (0.5, 0.5, 0.42), "accent", round=0.05)
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.limb((sx * 0.2, sy * 0.2, 0.4), (sx * 0.22, sy * 0.22, 1.0), 0.025, 0.025, "dark wood")


def submarine(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.75), (0.68, 1.6, 0.68))
    b.cylinder((0, 0.1, 1.45), 0.34, 0.6, round=0.1)
    b.limb((0, 0.1, 1.7), (0, 0.1, 2.2), 0.07, 0.07, "dark steel")
    b.limb((0, 0.1, 2.2), (0, -0.2, 2.2), 0.07, 0.08, "dark steel")
    for side in (-1, 1):
        for y in (-0.75, 0.0, 0.75):
            x = 0.68 * math.sqrt(1 - (y / 1.6) ** 2)
            b.cylinder((side * x, y, 0.8), 0.2, 0.12, "accent", turn=(0, 90, 0), round=0.03)
            b.cylinder((side * (x + 0.02), y, 0.8), 0.13, 0.12, "glass", turn=(0, 90, 0))
    b.box((0, 1.6, 0.75), (1.1, 0.3, 0.08), "accent", round=0.03)
    b.box((0, 1.6, 0.75), (0.08, 0.3, 1.1), "accent", round=0.03)


KINDS = (
    Kind("car", car, ("automobile", "small car"), "wheels", "tyre"),
    Kind("truck", truck, ("lorry", "delivery truck"), "box", "white"),
    Kind("bus", bus, ("coach", "city bus"), "stripe", "white"),
    Kind("boat", boat, ("sailing boat", "sailboat"), "sail", "cream"),
    Kind("rocket", rocket, ("space rocket", "rocket ship"), "fins", "red", ("white", "grey", "yellow")),
    Kind("aeroplane", aeroplane, ("airplane", "plane"), "wings", "steel"),
    Kind("train", train, ("steam train", "locomotive"), "roof", "black"),
    Kind("tractor", tractor, ("farm tractor",), "hubs", "yellow"),
    Kind("hot air balloon", hot_air_balloon, ("balloon with a basket",), "basket", "crust"),
    Kind("submarine", submarine, ("toy submarine",), "portholes", "gold"),
)
