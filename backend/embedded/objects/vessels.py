# SPDX-License-Identifier: GPL-3.0-or-later
"""Vessels: things that hold something, hollow where the real ones are."""

from __future__ import annotations

import math

from .construct import Builder
from .recipe import Kind


def mug(b: Builder) -> None:
    h = b.vary(1.35)
    b.cylinder((0, 0, h / 2), 0.6, h, round=0.06)
    b.cylinder((0, 0, h / 2 + 0.12), 0.5, h, "accent" if b.recipe.second else "main", round=0.04, cut=True)
    b.group()
    b.arc((0.58, 0, h / 2), 0.38, 0.095, degrees=190)


def teacup(b: Builder) -> None:
    b.cap((0, 0, 0.9), 0.72, -0.02, turn=(180, 0, 0))
    b.sphere((0, 0, 0.93), 0.63, "white", cut=True)
    b.cylinder((0, 0, 0.2), 0.3, 0.14)
    b.group()
    b.arc((0.66, 0, 0.62), 0.24, 0.07, degrees=200)
    b.group()
    b.cylinder((0, 0, 0.08), 1.05, 0.09, "accent", round=0.04)


def vase(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.8), (0.66, 0.66, b.vary(0.8)))
    b.cone((0, 0, 0), 0.42, 0.5, 0.3, blend=0.1)
    b.cylinder((0, 0, 1.6), 0.3, 0.5, blend=0.25)
    b.cone((0, 0, 1.75), 0.3, 0.5, 0.25, blend=0.1)
    b.cone((0, 0, 1.0), 0.2, 0.24, 0.8, "black", cut=True)
    b.cone((0, 0, 1.8), 0.24, 0.45, 0.21, "flat main", cut=True)


def bowl(b: Builder) -> None:
    b.cap((0, 0, 1.0), 1.0, 0.1, turn=(180, 0, 0))
    b.sphere((0, 0, 1.06), 0.9, "accent" if b.recipe.second else "main", cut=True)
    b.cylinder((0, 0, 0.03), 0.42, 0.16)


def bottle(b: Builder) -> None:
    b.cylinder((0, 0, 0.7), 0.42, 1.4, round=0.1)
    b.cone((0, 0, 1.3), 0.4, 0.15, 0.45, blend=0.12)
    b.cylinder((0, 0, 1.95), 0.145, 0.55)
    b.cylinder((0, 0, 2.28), 0.17, 0.22, "accent", round=0.03)
    b.cylinder((0, 0, 0.7), 0.45, 0.6, "cream", decal=True)


def teapot(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.75), (0.8, 0.8, b.vary(0.68)))
    b.cylinder((0, 0, 0.12), 0.45, 0.14)
    b.cap((0, 0, 1.02), 0.5, 0.2, "accent" if b.recipe.second else "main")
    b.sphere((0, 0, 1.62), 0.14, "accent" if b.recipe.second else "main")
    b.arc((-0.72, 0, 0.8), 0.42, 0.1, degrees=190, towards=(-1, 0, 0))
    b.limb((0.6, 0, 0.55), (1.02, 0, 0.85), 0.22, 0.14, blend=0.1)
    b.limb((1.02, 0, 0.85), (1.28, 0, 1.28), 0.14, 0.11, blend=0.06)


def bucket(b: Builder) -> None:
    b.cone((0, 0, 0), 0.55, 0.78, 1.25)
    b.cone((0, 0, 0.12), 0.48, 0.72, 1.3, "flat main", cut=True)
    b.ring((0, 0, 1.25), 0.77, 0.06, "accent")
    b.arc((0, 0, 1.2), 0.78, 0.045, "accent", towards=(0, -0.5, 0.85), axis=(0, 0.85, 0.5))


def barrel(b: Builder) -> None:
    b.ellipsoid((0, 0, 0.85), (0.8, 0.8, 1.5))
    b.box((0, 0, 0.85), (3, 3, 1.7), keep=True)
    for z, r in ((0.28, 0.735), (1.42, 0.735), (0.62, 0.79), (1.08, 0.79)):
        b.cylinder((0, 0, z), r + 0.035, 0.11, "accent")
    b.cylinder((0, 0, 1.72), 0.63, 0.08, "wood")
    b.carry_on((0, 0, 1.76), 0.55)


def goblet(b: Builder) -> None:
    b.cap((0, 0, 1.6), 0.62, 0.0, turn=(180, 0, 0))
    b.cylinder((0, 0, 1.7), 0.62, 0.3)
    b.sphere((0, 0, 1.7), 0.53, "dark steel", cut=True)
    b.cylinder((0, 0, 1.85), 0.53, 0.4, "dark steel", cut=True)
    b.cylinder((0, 0, 0.65), 0.1, 0.9)
    b.sphere((0, 0, 0.65), 0.17, "accent" if b.recipe.second else "main")
    b.cone((0, 0, 0), 0.5, 0.1, 0.28, blend=0.1)


def watering_can(b: Builder) -> None:
    b.cone((0, 0, 0), 0.62, 0.55, 1.0)
    b.cylinder((0, 0, 0.75), 0.46, 0.9, "black", cut=True)
    b.group()
    b.limb((0.5, 0, 0.3), (1.2, 0, 1.05), 0.11, 0.09)
    b.cone((1.15, 0, 1.0), 0.1, 0.26, 0.2, "accent", along=(0.65, 0, 0.75))
    b.arc((-0.5, 0, 0.6), 0.4, 0.075, degrees=200, towards=(-1, 0, 0))
    b.arc((0, 0, 0.95), 0.5, 0.06, towards=(0, 0, 1))


def flower_pot(b: Builder) -> None:
    b.cone((0, 0, 0), 0.5, 0.72, 1.0)
    b.cylinder((0, 0, 1.05), 0.82, 0.28, round=0.05)
    b.cylinder((0, 0, 1.18), 0.7, 0.2, "soil", cut=True)
    for i in range(6):
        a = i * math.pi / 3
        b.limb(
            (0.15 * math.cos(a), 0.15 * math.sin(a), 1.0),
            (0.62 * math.cos(a), 0.62 * math.sin(a), 1.75),
            0.1,
            0.16,
            "leaf",
        )
    b.limb((0, 0, 1.0), (0, 0, 2.0), 0.14, 0.17, "leaf")


KINDS = (
    Kind("mug", mug, ("cup", "coffee mug", "coffee cup"), "inside", small=True),
    Kind("teacup", teacup, ("tea cup", "cup on a saucer"), "saucer", small=True),
    Kind("vase", vase, ("flower vase",), small=True),
    Kind("bowl", bowl, ("dish", "soup bowl"), "inside", small=True),
    Kind("bottle", bottle, ("flask",), "cap", "crust", small=True),
    Kind("teapot", teapot, ("tea pot", "kettle"), "lid", small=True),
    Kind("bucket", bucket, ("pail",), "handle", "dark steel"),
    Kind("barrel", barrel, ("cask", "keg"), "hoops", "dark steel", carries=True),
    Kind("goblet", goblet, ("chalice", "wine goblet"), "knob", small=True),
    Kind("watering can", watering_can, ("sprinkling can",), "spout", "dark steel"),
    Kind("flower pot", flower_pot, ("potted plant", "plant pot")),
)
