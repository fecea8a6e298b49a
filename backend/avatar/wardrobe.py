# SPDX-License-Identifier: GPL-3.0-or-later
"""Clothes that lie on the skin: where each covers the body, how thick it is, and what is drawn on it.

A cover is a number per place that is above 0 where the cloth is; the skin swells there by the cloth's thickness and
is smoothed, so that muscles, navel and toes do not show through. The numbers are those of `landmarks.FIELDS`, so a
cover fits every body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.avatar.landmarks import INDEX
from backend.avatar.look import CLOTH, Worn
from backend.avatar.patterns import cloth, get, mix, step

Array = NDArray[Any]
Cover = Callable[[Array], Array]
Draw = Callable[[Worn, Array, Array], Array]  # (worn, fields, cloth's colours) -> colours


@dataclass(frozen=True)
class Garment:
    """cover: above 0 where it lies. thickness: metres off the skin. rounds: of smoothing. draw: details on the cloth.
    trim: whether hems are darker. loose: extra thickness towards its ends, metres."""

    cover: Cover
    thickness: float
    rounds: int = 6
    draw: Draw | None = None
    trim: bool = True

    def colours(self, worn: Worn, fields: Array) -> Array:
        """(N, 3) of the cloth at any places."""
        out = cloth(worn, fields)
        if self.trim:
            out = mix(out, 0.72 * out, 1 - step(self.cover(fields), 0.03, 0.05))
        return out if self.draw is None else self.draw(worn, fields, out)


def top(sleeve: float, hem: float, neck: float, deep: float = 0.0) -> Cover:
    """From `hem` (level) to the collar (`neck`), sleeves to `sleeve` (arm); `deep` lowers the front of the neckline."""

    def cover(fields: Array) -> Array:
        arm, level = get(fields, "arm"), get(fields, "level")
        front = np.exp(-((get(fields, "x") / 0.09) ** 2)) * (np.abs(get(fields, "turn")) < 1.4)
        collar = neck - get(fields, "neck") - deep * front
        body = np.minimum(level - hem, collar)
        return np.where(arm > 0.0, np.minimum(sleeve - arm, collar + 0.5), np.minimum(body, sleeve - arm))

    return cover


def bottom(leg: float, waist: float) -> Cover:
    """From `waist` (level) down to `leg` (level), both legs."""

    def cover(fields: Array) -> Array:
        level = get(fields, "level")
        return np.where(get(fields, "arm") > -0.05, -1.0, np.minimum(level - leg, waist - level))

    return cover


def both(one: Cover, two: Cover) -> Cover:
    """Where either lies."""
    return lambda fields: np.maximum(one(fields), two(fields))


def boots(top_level: float) -> Cover:
    def cover(fields: Array) -> Array:
        return np.where(get(fields, "arm") > -0.05, -1.0, top_level - get(fields, "level"))

    return cover


def gloves(start: float) -> Cover:
    return lambda fields: np.where(get(fields, "arm") > 0.5, get(fields, "arm") - start, -1.0)


def belt(low: float, high: float) -> Cover:
    return bottom(low, high)


def vest(hem: float) -> Cover:
    return top(0.02, hem, 0.0, 0.5)


def front_line(fields: Array, width: float) -> Array:
    """(N,) 1 on the middle line of the front."""
    x = np.abs(get(fields, "x"))
    return (1 - step(x, 0.7 * width, width)) * (np.abs(get(fields, "turn")) < 1.2) * (get(fields, "arm") < 0)


def buttons(worn: Worn, fields: Array, out: Array) -> Array:
    """A seam down the front and a row of buttons."""
    out = mix(out, 0.7 * out, 0.8 * front_line(fields, 0.006))
    z = get(fields, "z")
    gap = np.hypot(get(fields, "x") - 0.012, ((z / 0.085) % 1 - 0.5) * 0.085)
    on = (1 - step(gap, 0.007, 0.009)) * (np.abs(get(fields, "turn")) < 1.2) * (get(fields, "neck") < -0.3)
    return mix(out, CLOTH[worn.second], on * (get(fields, "arm") < 0))


def zipper(worn: Worn, fields: Array, out: Array) -> Array:
    out = mix(out, 0.6 * out, front_line(fields, 0.016))
    return mix(out, CLOTH["silver"], front_line(fields, 0.006))


def lapels(worn: Worn, fields: Array, out: Array) -> Array:
    """A suit's front: a white shirt in a V, a tie of the second colour, lapels beside it, a button."""
    x, level = np.abs(get(fields, "x")), get(fields, "level")
    front = (np.abs(get(fields, "turn")) < 1.2) & (get(fields, "arm") < 0)
    v = 0.085 * np.clip(level - 4.35, 0, 1.2)
    out = mix(out, 0.75 * out, (step(x, v, v + 0.002) - step(x, v + 0.03, v + 0.034)) * front * (level > 4.4))
    out = mix(out, np.array(CLOTH["white"]), (1 - step(x, v - 0.002, v)) * front * (level > 4.35))
    tie = 0.012 + 0.014 * np.clip(5.1 - level, 0, 0.8)
    out = mix(out, np.array(CLOTH[worn.second]), (1 - step(x, tie - 0.002, tie)) * front * (level > 4.4))
    out = mix(out, 0.6 * out, front_line(fields, 0.004) * (level < 4.35))
    return mix(out, np.array(CLOTH["black"]), (1 - step(np.hypot(x - 0.01, (level - 4.2) * 0.3), 0.007, 0.009)) * front)


def jeans(worn: Worn, fields: Array, out: Array) -> Array:
    """Seams, a fly, and a darker waistband."""
    level = get(fields, "level")
    side = np.abs(np.abs(get(fields, "turn")) - 1.57)
    out = mix(out, 0.75 * out, (1 - step(side, 0.03, 0.06)) * (level > 3.0) * 0.8)
    out = mix(out, 0.7 * out, front_line(fields, 0.005) * (level > 3.15))
    pocket = np.abs(np.abs(get(fields, "x")) - 0.10) + np.abs(level - 3.72) * 0.12
    front = (np.abs(get(fields, "turn")) < 1.2) & (level > 3.5)
    return mix(out, 0.78 * out, (1 - step(np.abs(pocket - 0.045), 0.002, 0.004)) * front)


def bands(worn: Worn, fields: Array, out: Array) -> Array:
    """Reflecting stripes of the second colour around chest, arms and shins, as on a firefighter's coat."""
    arm, level = get(fields, "arm"), get(fields, "level")
    rings = np.minimum.reduce([np.abs(level - 4.45), np.abs(level - 3.45), np.abs(level - 1.5)])
    trunk = np.where(arm > 0.05, 9.0, rings)
    sleeve = np.where(arm > 0.05, np.minimum(np.abs(arm - 0.75), np.abs(arm - 1.6)), 9.0)
    near = np.minimum(trunk / 0.07, sleeve / 0.09)
    out = mix(out, np.array([0.95, 0.86, 0.2]), 1 - step(near, 0.95, 1.05))
    out = mix(out, np.array(CLOTH[worn.second]), 1 - step(near, 0.45, 0.55))
    return mix(out, 0.6 * out, front_line(fields, 0.012))


def plates(worn: Worn, fields: Array, out: Array) -> Array:
    """Armour: the edges of plates and rivets beside them, a shine over each."""
    arm, level = get(fields, "arm"), get(fields, "level")
    t = np.where(arm > 0.05, arm * 2.0, level * 2.2)
    edge = np.abs(t % 1 - 0.5)
    out = out * (0.8 + 0.45 * step(edge, 0.0, 0.5))[:, None]
    out = mix(out, 0.42 * out, 1 - step(np.abs(edge - 0.46), 0.015, 0.03))
    return mix(out, np.array(CLOTH[worn.second]), 0.9 * front_line(fields, 0.008) * (level > 3.9))


def sheriff(worn: Worn, fields: Array, out: Array) -> Array:
    """A uniform: buttons, two pockets on the chest and a badge."""
    out = buttons(worn, fields, out)
    x, level = get(fields, "x"), get(fields, "level")
    front = (np.abs(get(fields, "turn")) < 1.3) & (get(fields, "arm") < 0)
    box = np.maximum(np.abs(np.abs(x) - 0.085) / 0.045, np.abs(level - 4.62) / 0.14)
    out = mix(out, 0.7 * out, (1 - step(np.abs(box - 1), 0.06, 0.1)) * front)
    badge = np.hypot(x - 0.085, (level - 4.66) * 0.33)
    return mix(out, np.array(CLOTH["gold"]), (1 - step(badge, 0.018, 0.021)) * front)


def emblem(worn: Worn, fields: Array, out: Array) -> Array:
    """A disc of the second colour on the chest with a star in it."""
    x, level = get(fields, "x"), get(fields, "level")
    front = (np.abs(get(fields, "turn")) < 1.3) & (get(fields, "arm") < 0)
    dz = (level - 4.62) * 0.33
    far = np.hypot(x, dz)
    out = mix(out, np.array(CLOTH[worn.second]), (1 - step(far, 0.06, 0.063)) * front)
    angle = np.arctan2(x, dz)
    star = 0.045 * (0.45 + 0.55 * np.abs(((angle / (2 * np.pi) * 5) % 1) - 0.5) * 2)
    return mix(out, np.array(CLOTH[worn.colour]), (1 - step(far - star, -0.002, 0.002)) * front)


def space(worn: Worn, fields: Array, out: Array) -> Array:
    """A pressure suit: rings at the joints, a control box on the chest, a patch on the arm."""
    arm, level = get(fields, "arm"), get(fields, "level")
    joint = np.where(arm > 0.05, np.minimum(np.abs(arm - 1.0), np.abs(arm - 0.35)) * 0.3, np.abs(level - 2.0) * 0.3)
    fold = np.cos(joint * 420) * np.exp(-((joint / 0.03) ** 2))
    out = out * (1 + 0.10 * fold)[:, None]
    out = mix(out, np.array(CLOTH[worn.second]), (1 - step(np.where(arm > 0.05, np.abs(arm - 0.62), 9), 0.05, 0.07)))
    box = np.maximum(np.abs(get(fields, "x")) / 0.085, np.abs(level - 4.4) / 0.2)
    front = (np.abs(get(fields, "turn")) < 1.0) & (arm < 0)
    out = mix(out, np.array(CLOTH["grey"]), (1 - step(box, 0.95, 1.0)) * front)
    lamp = np.hypot((np.abs(get(fields, "x")) - 0.04), (level - 4.45) * 0.3)
    return mix(out, np.array(CLOTH["red"]), (1 - step(lamp, 0.014, 0.017)) * front)


def bib(fields: Array) -> Array:
    """Dungarees: trousers with a bib and straps."""
    x, level = np.abs(get(fields, "x")), get(fields, "level")
    front = np.abs(get(fields, "turn")) < 1.3
    square = np.minimum(0.11 - x, 4.75 - level) * np.where(front, 1.0, -1.0) * 3
    strap = np.minimum(0.022 - np.abs(x - 0.085), level - 4.3) * 6
    chest = np.where(level > 3.9, np.maximum(np.where(front, square, -1), strap), -1)
    cover = np.maximum(bottom(1.15, 4.05)(fields), chest)
    return np.where((get(fields, "arm") > -0.02) | (get(fields, "neck") > -0.05), -1.0, cover)


def apron(fields: Array) -> Array:
    x, level = np.abs(get(fields, "x")), get(fields, "level")
    front = np.abs(get(fields, "turn")) < 1.15
    wide = np.interp(level, [2.3, 4.2, 4.9], [0.2, 0.18, 0.10])
    cover = np.where(front, np.minimum.reduce([(wide - x) * 3, level - 2.4, 4.85 - level]), -1.0)
    tie = np.minimum(level - 4.0, 4.1 - level) * 2
    return np.where(get(fields, "arm") > -0.02, -1.0, np.maximum(cover, tie))


def mask(fields: Array) -> Array:
    """Over the whole head but the eyes."""
    slit = np.maximum(np.abs(get(fields, "face_x")) / 1.05, np.abs(get(fields, "face_z")) / 0.34)
    open_ = np.where((get(fields, "face_y") < 0.95), slit - 1, 1.0)
    return np.where(get(fields, "eye") > -0.5, -1.0, np.minimum(get(fields, "neck") - 0.05, open_))


def eye_mask(fields: Array) -> Array:
    band = np.minimum(1.0 - np.abs(get(fields, "face_z")) / 0.42, 1.25 - get(fields, "face_y"))
    hole = np.hypot((np.abs(get(fields, "face_x")) - 0.5) / 0.3, get(fields, "face_z") / 0.16) - 1
    return np.where((get(fields, "eye") > -0.5) | (get(fields, "neck") < 0.2), -1.0, np.minimum(band, hole))


def face_cloth(fields: Array) -> Array:
    """Over nose and mouth, tied behind the ears."""
    cover = np.minimum(-0.3 - get(fields, "face_z"), get(fields, "face_z") + 2.05)
    depth = 1.2 - get(fields, "face_y")
    return np.where((get(fields, "neck") > 0.3) & (depth > 0), np.minimum(cover, depth), -1.0)


def wrap(fields: Array) -> Array:
    """Around the neck."""
    neck = get(fields, "neck")
    return np.where(get(fields, "arm") > 0.1, -1.0, np.minimum(neck + 0.15, 0.75 - neck))


def buckle(worn: Worn, fields: Array, out: Array) -> Array:
    """A plate of the second colour at the front of a belt."""
    plate = np.maximum(np.abs(get(fields, "x")) / 0.035, np.abs(get(fields, "level") - 3.99) / 0.075)
    return mix(out, np.array(CLOTH[worn.second]), (1 - step(plate, 0.95, 1.0)) * (np.abs(get(fields, "turn")) < 1.0))


GARMENTS: dict[str, Garment] = {
    "briefs": Garment(bottom(2.85, 3.75), 0.004),
    "bra": Garment(top(-0.02, 4.35, -1.1), 0.005),
    "t-shirt": Garment(top(0.55, 3.7, 0.12), 0.009, 10),
    "tank top": Garment(top(-0.03, 3.7, -0.05, 0.25), 0.006, 8),
    "shirt": Garment(top(1.86, 3.62, 0.38), 0.010, 10, buttons),
    "sweater": Garment(top(1.92, 3.6, 0.34), 0.016, 14),
    "hoodie": Garment(top(1.92, 3.55, 0.42), 0.020, 14, zipper),
    "jacket": Garment(top(1.9, 3.55, 0.40), 0.020, 12, zipper),
    "leather jacket": Garment(top(1.9, 3.65, 0.42), 0.018, 10, zipper),
    "suit jacket": Garment(top(1.88, 3.35, 0.16), 0.018, 14, lapels),
    "vest": Garment(vest(3.7), 0.014, 10, buttons),
    "safety vest": Garment(top(0.0, 3.55, 0.0, 0.35), 0.014, 10, bands),
    "trousers": Garment(bottom(1.02, 4.02), 0.022, 40, jeans),
    "jeans": Garment(bottom(1.05, 3.95), 0.014, 20, jeans),
    "leggings": Garment(bottom(1.1, 4.0), 0.004, 3),
    "shorts": Garment(bottom(2.25, 3.95), 0.016, 12, jeans),
    "dungarees": Garment(bib, 0.015, 10),
    "overalls": Garment(both(top(1.9, 3.0, 0.3), bottom(1.0, 4.6)), 0.016, 14, zipper),
    "spacesuit": Garment(both(top(2.05, 3.0, 0.45), bottom(0.8, 4.8)), 0.050, 20, space),
    "armour": Garment(both(top(2.02, 3.0, 0.4), bottom(0.9, 4.8)), 0.018, 12, plates),
    "breastplate": Garment(top(0.12, 3.85, 0.1), 0.022, 16, plates),
    "fire coat": Garment(top(1.92, 2.95, 0.45), 0.028, 16, bands),
    "fire trousers": Garment(bottom(0.95, 4.0), 0.030, 40, bands),
    "uniform": Garment(top(1.88, 3.62, 0.38), 0.012, 10, sheriff),
    "suit": Garment(both(top(1.95, 3.0, 0.3), bottom(1.0, 4.6)), 0.004, 3, emblem),
    "swimsuit": Garment(both(top(-0.04, 3.6, -0.35, 0.3), bottom(2.95, 4.6)), 0.004, 2),
    "apron": Garment(apron, 0.012, 8),
    "belt": Garment(belt(3.9, 4.08), 0.022, 3, buckle, False),
    "sash": Garment(belt(3.85, 4.2), 0.020, 4),
    "gloves": Garment(gloves(1.86), 0.006, 2),
    "gauntlets": Garment(gloves(1.5), 0.014, 3),
    "shoe lining": Garment(boots(1.0), 0.007, 40, trim=False),
    "boot lining": Garment(boots(1.5), 0.009, 40, trim=False),
    "tall boot lining": Garment(boots(1.85), 0.009, 40, trim=False),
    "socks": Garment(boots(1.35), 0.006, 4),
    "mask": Garment(mask, 0.006, 3),
    "eye mask": Garment(eye_mask, 0.005, 1),
    "bandana": Garment(face_cloth, 0.010, 6),
    "surgical mask": Garment(face_cloth, 0.010, 8),
    "scarf": Garment(wrap, 0.035, 10),
}  # fmt: skip
assert INDEX["x"] == 0  # `cloth` reads places from the first three columns
