# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours over a surface: patterns of cloth, strands of hair, and the drawing of a face, from the fields of a body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.avatar.landmarks import INDEX
from backend.avatar.look import CLOTH, EYES, HAIR_COLOURS, SKINS, Look, Worn
from backend.embedded.objects.palette import Colour

Array = NDArray[Any]
Paint = Callable[[Array], Array]

LIPS = np.array([0.9, 0.7, 0.68])
"""Of the skin's tone; calm, because the surface has no more than a few cells for a mouth."""


def get(fields: Array, name: str) -> Array:
    """One column of the fields."""
    return fields[:, INDEX[name]]


def step(value: Array, low: float | Array, high: float | Array) -> Array:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def mix(base: Array, colour: Colour | Array, share: Array) -> Array:
    """`base` (N, 3) with `share` (N,) of `colour` laid over."""
    return base + share[:, None] * (np.asarray(colour) - base)


def noise(points: Array, scale: float, seed: int = 0) -> Array:
    """(N,) smooth value noise in 0..1 at points (N, 3); one lump is 1 / scale long."""
    p = np.asarray(points, np.float64) * scale + 100.0 * (seed + 1)
    cell = np.floor(p).astype(np.int64)
    f = p - cell
    f = f * f * (3 - 2 * f)
    out = np.zeros(len(p))
    for corner in range(8):
        d = np.array([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
        c = cell + d
        h = (c[:, 0] * 73856093) ^ (c[:, 1] * 19349663) ^ (c[:, 2] * 83492791)
        h = (h ^ (h >> 13)) * 1274126177
        value = ((h ^ (h >> 16)) & 0xFFFF) / 65535.0
        out += value * np.prod(np.where(d, f, 1 - f), axis=1)
    return out


def cloth(worn: Worn, fields: Array) -> Array:
    """(N, 3) colours of a thing's cloth with its pattern, at any fields whose first three columns are a place."""
    first, second = np.asarray(CLOTH[worn.colour]), np.asarray(CLOTH[worn.second])
    place = fields[:, :3]
    out = np.tile(first, (len(place), 1))
    arm = get(fields, "arm") if fields.shape[1] == len(INDEX) else np.full(len(place), -1.0)
    height = np.where(arm > 0.05, arm * 0.28, place[:, 2])  # stripes run around a sleeve
    if worn.pattern == "striped":
        out = mix(out, second, step(np.abs((height / 0.07) % 1 - 0.5), 0.22, 0.28))
    elif worn.pattern == "chequered":
        u = np.where(arm > 0.05, place[:, 1], place[:, 0])
        odd = ((np.floor(u / 0.05) + np.floor(height / 0.05) + np.floor(place[:, 1] / 0.05 * (arm <= 0.05))) % 2) > 0.5
        out = mix(out, second, odd.astype(float))
    elif worn.pattern in ("dotted", "starry"):
        size = 0.06 if worn.pattern == "dotted" else 0.09
        cell = place / size
        gap = np.linalg.norm(cell - np.round(cell), axis=1)
        out = mix(out, second, 1 - step(gap, 0.3, 0.38) if worn.pattern == "dotted" else 1 - step(gap, 0.16, 0.2))
    elif worn.pattern == "camouflage":
        blotch = noise(place, 11.0)
        out = mix(out, 0.55 * first, step(blotch, 0.5, 0.53))
        out = mix(out, 0.5 * (first + np.array([0.65, 0.6, 0.42])), step(noise(place, 13.0, 4), 0.6, 0.63))
    return out * (0.94 + 0.08 * noise(place, 30.0, 2))[:, None]


def hair(colour: str, fields: Array) -> Array:
    """(N, 3) colours of hair: strands along the height, darker towards the roots below."""
    place = fields[:, :3]
    strands = noise(place * np.array([1.0, 1.0, 0.12]), 160.0)
    return np.asarray(HAIR_COLOURS[colour]) * (0.72 + 0.45 * strands)[:, None].clip(0, 1.25)


def hairline(fields: Array) -> Array:
    """(N,) how far above the hairline a place of the head is, in distances between the eyes."""
    depth = get(fields, "face_y")
    heights = [1.3, 1.22, 0.85, 0.25, 0.1, -0.1, -0.95, -1.15]
    edge = np.interp(depth, [-0.3, 0.2, 0.6, 0.95, 1.3, 1.75, 2.1, 3.2], heights)
    return np.where(get(fields, "neck") > 0.1, get(fields, "face_z") - edge, -1.0)


def beard_area(fields: Array) -> Array:
    """(N,) above 0 where a beard grows, in distances between the eyes."""
    x, y, z = (get(fields, name) for name in ("face_x", "face_y", "face_z"))
    cheek = np.interp(np.abs(x), [0.0, 0.45, 0.8, 1.1], [-0.95, -1.0, -0.75, -0.3])
    area = np.minimum.reduce([cheek - z, z + 2.35 - 0.25 * y, 1.3 - y])
    return np.where(get(fields, "neck") > 0.1, area, -1.0)


def moustache_area(fields: Array) -> Array:
    """(N,) above 0 on the upper lip's skin."""
    x, y, z = (get(fields, name) for name in ("face_x", "face_y", "face_z"))
    area = np.minimum.reduce([-0.82 - 0.35 * np.abs(x) ** 2 - z, z + 1.12 + 0.3 * np.abs(x), 0.62 - np.abs(x), 0.4 - y])
    return area - 0.25 * get(fields, "lips")


def skin(look: Look, fields: Array) -> Array:
    """(N, 3) colours of skin with lips, brows, eyes, hair roots and stubble."""
    tone = np.asarray(SKINS[look.skin])
    place = fields[:, :3]
    out = np.tile(tone, (len(fields), 1)) * (0.97 + 0.05 * noise(place, 60.0))[:, None]
    x, y, z = (get(fields, name) for name in ("face_x", "face_y", "face_z"))
    front = (y < 0.9) & (get(fields, "neck") > 0.1)
    blush = np.exp(-(((np.abs(x) - 0.75) / 0.35) ** 2 + ((z + 0.65) / 0.35) ** 2)) * front
    nose = np.exp(-((x / 0.25) ** 2 + ((z + 0.62) / 0.2) ** 2)) * front
    red = np.array([1.0, 0.78, 0.74])
    out = mix(out, out * red, 0.45 * blush + 0.35 * nose)
    out = mix(out, tone * LIPS, step(get(fields, "lips"), 0.15, 0.6))
    roots = np.asarray(HAIR_COLOURS[look.hair_colour])
    brow_x = np.abs(x) - 0.5
    line = 0.37 + 0.1 * np.cos(brow_x * 2.2) - 0.10 * np.abs(brow_x)
    thick = np.interp(np.abs(x), [0.1, 0.2, 0.6, 0.95], [0.0, 0.085, 0.07, 0.0])
    brow = (1 - step(np.abs(z - line) / np.maximum(thick, 1e-3), 0.7, 1.1)) * (thick > 0.005) * front
    out = mix(out, 0.6 * roots + 0.1 * tone, 0.85 * brow)
    if look.hair != "bald":
        out = mix(out, hair(look.hair_colour, fields), step(hairline(fields), -0.05, 0.12))
    if look.beard:
        shade = 0.35 if look.beard == "stubble" else 0.9
        area = moustache_area(fields)
        if look.beard != "moustache":
            area = np.maximum(area, beard_area(fields))
        clear = 1 - step(get(fields, "lips"), 0.1, 0.4)
        out = mix(out, hair(look.hair_colour, fields), shade * step(area, -0.05, 0.1) * clear)
    eye = get(fields, "eye")
    lid = front & (eye < -0.5)
    rim = np.exp(-(((np.abs(x) - 0.5) / 0.27) ** 2 + ((z - 0.02) / 0.13) ** 2) * 1.5) * lid
    out = mix(out, tone * 0.45, 0.75 * step(rim, 0.25, 0.8))
    ball = eye > -0.5
    white = np.array([0.93, 0.92, 0.9])
    colour = np.where((eye < 0.62)[:, None], np.asarray(EYES[look.eyes]), white)
    colour = np.where((eye < 0.3)[:, None], 0.03, colour)
    colour = np.where(((eye >= 0.54) & (eye < 0.62))[:, None], 0.5 * np.asarray(EYES[look.eyes]), colour)
    return np.where(ball[:, None], colour, out)
