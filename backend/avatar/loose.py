# SPDX-License-Identifier: GPL-3.0-or-later
"""What hangs or stands off the body: skirts, dresses, robes, capes, shoes, packs, pauldrons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.avatar.figure import HANGS, Array, Fitting
from backend.avatar.headgear import plain
from backend.avatar.look import CLOTH, Worn
from backend.avatar.patterns import cloth, get, mix, step
from backend.avatar.solids import Doubles, lump, outward, rings, tube

Make = Callable[[Fitting, Worn], None]
WALL = 0.022  # metres, of a skirt
AROUND = 56


def skirt(hem: float, waist: float = 4.05, flare: float = 0.35, folds: float = 0.012, trim: bool = True) -> Make:
    """From `waist` to `hem` (levels); radii grow by `flare` metres a metre, with folds, hollow below."""

    def make(fit: Fitting, worn: Worn) -> None:
        high, low = fit.height_of(waist), fit.height_of(hem)
        angle = np.arange(AROUND) * 2 * np.pi / AROUND
        outer: list[Doubles] = []
        inner: list[Doubles] = []
        cy0, wx, wy = fit.section(high)
        for t in np.linspace(0, 1, 12):
            z = high + (low - high) * t
            cy, sx, sy = fit.section(z)
            drop = high - z
            x = max(sx + 0.014, wx + 0.008 + flare * drop * (0.6 + 0.4 * min(1.0, drop / 0.2)))
            y = max(sy + 0.014 + abs(cy - cy0), wy + 0.008 + 0.9 * flare * drop)
            wave = 1 + folds * t / 0.1 * np.cos(angle * 9 + 0.7 * np.sin(angle * 2)) * 0.35
            for rows, less in ((outer, 0.0), (inner, WALL)):
                # An oval with flatter sides than an ellipse follows hips and both legs.
                bx = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.85
                by = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.85
                rows.append(np.stack([(x - less) * bx * wave, cy0 + (y - less) * by * wave, np.full(AROUND, z)], 1))
        # Down on the outside, up again on the inside to just below the waist.
        solid = outward(*rings([*outer, *inner[:2:-1]]))

        def paint(fields: Array) -> Array:
            out = cloth(worn, fields)
            z = get(fields, "z")
            if trim:
                edge = CLOTH[worn.second] if worn.second != "white" else 0.75 * out
                out = mix(out, edge, 1 - step(z - low, 0.018, 0.022))
            turn = np.arctan2(get(fields, "y") - cy0, get(fields, "x"))
            fold = np.cos(turn * 9 + 0.7 * np.sin(turn * 2))
            return out * (1 + 0.07 * fold * np.clip((high - z) / (high - low), 0, 1))[:, None]

        fit.add("skirt", solid, paint, HANGS)

    return make


def cape(hem: float) -> Make:
    """From the shoulders down the back to `hem`."""

    def make(fit: Fitting, worn: Worn) -> None:
        high, low = fit.height_of(5.12), fit.height_of(hem)
        shoulder = abs(fit.joint("LeftArm")[0])
        span = np.linspace(-1, 1, 25)
        sections = []
        for t in np.linspace(0, 1, 12):
            z = high + (low - high) * t
            cy, _, deep = fit.section(z)
            wide = shoulder * (0.80 + 0.45 * t)
            hang = fit.section(fit.height_of(4.9))
            back = max(cy + deep, hang[0] + hang[2] + 0.02 * t) + 0.016 + 0.10 * t
            y = back - (0.055 * (1 - t) + 0.05 * t) * span**2 * 1.2 + 0.016 * t * np.cos(span * 11)
            outer = np.stack([wide * span, y, np.full(25, z) + 0.02 * span**2 * (t == 0)], 1)
            inner = outer - [0, 0.02, 0]
            sections.append(np.concatenate([outer, inner[::-1]]))

        def paint(fields: Array) -> Array:
            return cloth(worn, fields) * (1 + 0.06 * np.cos(get(fields, "x") * 40))[:, None]

        fit.add("cape", outward(*rings(sections)), paint, "Spine2")
        collar = [(-0.09, fit.section(high)[0] + 0.02, high - 0.005), (0, fit.section(high)[0] + 0.075, high + 0.03),
                  (0.09, fit.section(high)[0] + 0.02, high - 0.005), (0.075, fit.section(high)[0] - 0.055, high - 0.04),
                  (0, fit.section(high)[0] - 0.088, high - 0.065), (-0.075, fit.section(high)[0] - 0.055, high - 0.04),
                  (-0.09, fit.section(high)[0] + 0.02, high - 0.005)]
        fit.add("collar", tube(collar, [0.02] * 7), plain(worn), "Spine2")

    return make


def shoes(top: float, sole: float = 0.022, toe: float = 1.0) -> Make:
    """A closed shoe around each foot with a sole; `top` is the level of its shaft."""

    def make(fit: Fitting, worn: Worn) -> None:
        v = fit.clothed
        high = fit.height_of(top)
        for side, sign in (("Left", 1), ("Right", -1)):
            foot = (v[:, 2] < fit.height_of(1.0) * 1.02) & (v[:, 0] * sign > 0) & (fit.get("arm") < 0.02)
            points = v[foot]
            low, far = points.min(0), points.max(0)
            ankle = fit.joint(side + "Foot")
            length = far[1] - low[1]
            rows = []
            for t in np.linspace(0, 1, 9):  # from heel to toe
                y = far[1] + 0.008 - (length + 0.02) * t
                near = points[np.abs(points[:, 1] - y) < 0.02]
                if len(near) < 3:
                    near = points[np.argsort(np.abs(points[:, 1] - y))[:8]]
                cx, half = (near[:, 0].max() + near[:, 0].min()) / 2, np.ptp(near[:, 0]) / 2 + 0.007
                tall = max(near[:, 2].max() + 0.008, 0.045) if t > 0.45 else high
                tall = min(tall, high) * (1.0 if t < 0.9 else 0.85)
                end = min(1.0, 0.55 + 3.2 * min(t, (1 - t) * toe))
                rows.append((y, cx, half * end, min(tall, 0.09) if t <= 0.45 else tall * (0.55 + 0.45 * end)))
            angle = np.arange(24) * 2 * np.pi / 24
            sections = []
            for y, cx, half, tall in rows:
                bent_x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.6
                bent_z = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.6
                middle = tall / 2 - sole
                sections.append(np.stack([cx + half * bent_x, np.full(24, y), middle + tall / 2 * bent_z], 1))
            paint = banded_sole(worn, sole * 0.2)
            fit.add("shoe", outward(*rings(sections)), paint, side + "Foot")
            shaft = []
            ring = (v[:, 0] * sign > 0) & (fit.get("arm") < 0.02)
            for z in np.linspace(0.03, high, 6):
                around = v[ring & (np.abs(v[:, 2] - max(z, ankle[2] * 0.95)) < 0.012) & (v[:, 1] > ankle[1] - 0.07)]
                if len(around) < 6:
                    continue
                c, r = (around.max(0) + around.min(0)) / 2, np.ptp(around, axis=0) / 2 + 0.012
                shaft.append(np.stack([c[0] + r[0] * np.cos(angle), c[1] + r[1] * np.sin(angle), np.full(24, z)], 1))
            if len(shaft) > 1:
                fit.add("shaft", outward(*rings(shaft)), paint, side + ("Leg" if top > 1.35 else "Foot"))

    return make


def banded_sole(worn: Worn, sole: float) -> Callable[[Array], Array]:
    def paint(fields: Array) -> Array:
        low = 1 - step(get(fields, "z"), sole, sole + 0.003)
        out = cloth(worn, fields)
        own = worn.kind != "trainers" and worn.second in ("white", worn.colour)
        return mix(out, 0.35 * np.asarray(CLOTH[worn.colour]) if own else CLOTH[worn.second], low)

    return paint


def pauldrons(fit: Fitting, worn: Worn) -> None:
    for side, sign in (("Left", 1), ("Right", -1)):
        at = fit.joint(side + "Arm") + [sign * 0.012, 0.0, 0.025]
        fit.add("pauldron", lump(at, (0.085, 0.088, 0.066)), plain(worn), side + "Arm")
        knee = fit.joint(side + "Leg")
        fit.add("knee", lump(knee + [0, -0.055, 0], (0.05, 0.034, 0.058)), plain(worn), side + "Leg")


def backpack(fit: Fitting, worn: Worn) -> None:
    z = fit.height_of(4.55)
    cy, _, deep = fit.section(z)
    size = (0.135, 0.075, 0.20)
    fit.add("backpack", lump((0, cy + deep + size[1] * 0.85, z), size, 4.0), plain(worn), "Spine2")


def air_tank(fit: Fitting, worn: Worn) -> None:
    z = fit.height_of(4.55)
    cy, _, deep = fit.section(z)
    path = [(0, cy + deep + 0.06, z - 0.16), (0, cy + deep + 0.06, z + 0.12)]
    fit.add("tank", tube(path, [0.065, 0.065], around=24), plain(worn), "Spine2")


def quiver(fit: Fitting, worn: Worn) -> None:
    z = fit.height_of(4.6)
    cy, _, deep = fit.section(z)
    y = cy + deep + 0.05
    fit.add("quiver", tube([(0.09, y, z - 0.2), (-0.06, y, z + 0.2)], [0.042, 0.05], around=20), plain(worn), "Spine2")


def tie(fit: Fitting, worn: Worn) -> None:
    path = []
    for level in (4.96, 4.75, 4.5, 4.25, 4.1):
        z = fit.height_of(level)
        near = (np.abs(fit.clothed[:, 2] - z) < 0.015) & (np.abs(fit.clothed[:, 0]) < 0.03) & (fit.get("arm") < 0)
        path.append((0.0, fit.clothed[near, 1].min() - 0.004 if near.any() else -0.1, z))
    fit.add("tie", tube(path, [0.016, 0.018, 0.024, 0.03, 0.01], flat=0.3), plain(worn), None)


def stethoscope(fit: Fitting, worn: Worn) -> None:
    path = []
    for x, level in ((-0.055, 4.5), (-0.075, 4.8), (-0.07, 5.06), (0.0, 5.2), (0.07, 5.06), (0.075, 4.8), (0.06, 4.45)):
        z = fit.height_of(level)
        if x == 0.0:
            neck = fit.joint("Neck")
            path.append((0.0, neck[1] + 0.075, neck[2] + 0.01))
            continue
        near = (np.abs(fit.clothed[:, 2] - z) < 0.02) & (np.abs(fit.clothed[:, 0] - x) < 0.025) & (fit.get("arm") < 0)
        path.append((x, fit.clothed[near, 1].min() - 0.008 if near.any() else -0.1, z))
    fit.add("stethoscope", tube(path, [0.007] * 7, around=10), plain(worn), None)
    disc = lump((path[-1][0], path[-1][1] - 0.006, path[-1][2]), (0.02, 0.009, 0.02))
    fit.add("disc", disc, plain(Worn("x", "silver")), "Spine2")


LOOSE: dict[str, Make] = {
    "skirt": skirt(2.35), "mini skirt": skirt(2.7, flare=0.42), "long skirt": skirt(1.15, flare=0.22),
    "dress": skirt(2.2, 4.15, 0.42), "gown": skirt(0.35, 4.15, 0.40), "robe": skirt(0.45, 4.3, 0.20, 0.016),
    "coat tails": skirt(2.3, 4.0, 0.12, 0.006, False), "tutu": skirt(2.75, 4.0, 0.9, 0.02),
    "kilt": skirt(2.3, 4.0, 0.25),
    "cape": cape(1.3), "shoes": shoes(1.0), "trainers": shoes(1.05, 0.03), "boots": shoes(1.5, 0.03),
    "tall boots": shoes(1.85, 0.03), "sandals": shoes(0.45, 0.02), "pauldrons": pauldrons, "backpack": backpack,
    "air tank": air_tank, "quiver": quiver, "tie": tie, "stethoscope": stethoscope,
}  # fmt: skip
