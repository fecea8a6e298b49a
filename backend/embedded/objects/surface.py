# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP018 - float(0.0) declares a variable in a Warp loop, a bare 0.0 a constant
"""Warp functions that give an object's colour at a point: which primitive owns it, and its solid pattern there.

Patterns are functions of space, not of a surface, so they need no UV map and look the same in every view. They are
scaled to be seen at 32 pixels; noise adds grain that shows at 128. Colours are sRGB values in 0..1.
"""

from __future__ import annotations

import warp as wp

from .sdf import BLEND, CUT, FAR, INTERSECT, NEW, PAINT, primitive_distance

wp.set_module_options({"enable_backward": False, "fast_math": True})

# Pattern numbers; `palette` gives them their names.
(PLAIN, STRIPES, DOTS, CHECKS, WOOD, METAL, MOSS, STONE, BRICK, GLAZE, MARBLE, RUST, RAINBOW, SNOW, UPRIGHT) = range(15)

_STRIPES = wp.constant(STRIPES)
_DOTS = wp.constant(DOTS)
_CHECKS = wp.constant(CHECKS)
_WOOD = wp.constant(WOOD)
_METAL = wp.constant(METAL)
_MOSS = wp.constant(MOSS)
_STONE = wp.constant(STONE)
_BRICK = wp.constant(BRICK)
_GLAZE = wp.constant(GLAZE)
_MARBLE = wp.constant(MARBLE)
_RUST = wp.constant(RUST)
_RAINBOW = wp.constant(RAINBOW)
_SNOW = wp.constant(SNOW)
_UPRIGHT = wp.constant(UPRIGHT)


@wp.func
def lattice(x: int, y: int, z: int) -> float:
    """A fixed number in 0..1 for each point of the integer lattice (an integer hash by multiply and xor-shift)."""
    h = (
        wp.uint32(x) * wp.uint32(0x2DA6B343)
        ^ wp.uint32(y) * wp.uint32(0x58163841)
        ^ wp.uint32(z) * wp.uint32(0x4B1AB31F)
    )
    h = (h ^ (h >> wp.uint32(13))) * wp.uint32(0x5BD1E995)
    h = h ^ (h >> wp.uint32(15))
    return float(h & wp.uint32(0xFFFF)) / 65535.0


@wp.func
def noise(p: wp.vec3) -> float:
    """Smooth value noise in 0..1 with features about one unit wide."""
    fx = wp.floor(p[0])
    fy = wp.floor(p[1])
    fz = wp.floor(p[2])
    x = int(fx)
    y = int(fy)
    z = int(fz)
    u = p[0] - fx
    v = p[1] - fy
    w = p[2] - fz
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    w = w * w * (3.0 - 2.0 * w)
    low = wp.lerp(
        wp.lerp(lattice(x, y, z), lattice(x + 1, y, z), u),
        wp.lerp(lattice(x, y + 1, z), lattice(x + 1, y + 1, z), u),
        v,
    )
    high = wp.lerp(
        wp.lerp(lattice(x, y, z + 1), lattice(x + 1, y, z + 1), u),
        wp.lerp(lattice(x, y + 1, z + 1), lattice(x + 1, y + 1, z + 1), u),
        v,
    )
    return wp.lerp(low, high, w)


@wp.func
def cloud(p: wp.vec3) -> float:
    """Two octaves of noise, in 0..1."""
    return 0.65 * noise(p) + 0.35 * noise(p * 2.3 + wp.vec3(5.2, 1.3, 7.7))


@wp.func
def wave(x: float) -> float:
    """A square wave: 1 in the first half of each unit, 0 in the second."""
    return wp.where(x - wp.floor(x) < 0.5, 1.0, 0.0)


@wp.func
def dots(p: wp.vec3, radius: float) -> float:
    """1 inside balls on a body-centred lattice, which meet any surface in well spread discs; else 0."""
    a = wp.vec3(p[0] - wp.floor(p[0]) - 0.5, p[1] - wp.floor(p[1]) - 0.5, p[2] - wp.floor(p[2]) - 0.5)
    x = p[0] + 0.5
    y = p[1] + 0.5
    z = p[2] + 0.5
    b = wp.vec3(x - wp.floor(x) - 0.5, y - wp.floor(y) - 0.5, z - wp.floor(z) - 0.5)
    return wp.where(wp.min(wp.dot(a, a), wp.dot(b, b)) < radius * radius, 1.0, 0.0)


@wp.func
def hue(t: float) -> wp.vec3:
    """Red, orange, yellow, green, blue, purple as t goes from 0 to 1."""
    r = wp.clamp(wp.abs(t * 5.4 - 3.0) - 0.9, 0.0, 1.0)
    g = wp.clamp(1.9 - wp.abs(t * 5.4 - 2.0), 0.0, 1.0)
    b = wp.clamp(1.7 - wp.abs(t * 5.4 - 4.2), 0.0, 1.0)
    return wp.vec3(0.9 * r + 0.05, 0.8 * g + 0.08, 0.85 * b + 0.08)


@wp.func
def pattern_colour(kind: int, a: wp.vec3, b: wp.vec3, q: wp.vec3, low: float, high: float) -> wp.vec3:
    """Colour of a pattern at q, in units in which a normalised object is about six across; low, high: the heights
    between which the thing carries it."""
    height = (q[2] - low) / wp.max(high - low, 0.01)  # 0 at the foot of the painted parts, 1 at their top
    colour = a
    if kind == _STRIPES:
        colour = wp.lerp(a, b, wave(q[2] * 0.62 + 0.3))
    elif kind == _UPRIGHT:
        angle = wp.atan2(q[1], q[0]) * 1.2732395 + 0.25
        colour = wp.lerp(a, b, wave(angle))
    elif kind == _DOTS:
        colour = wp.lerp(a, b, dots(q * 0.62 + wp.vec3(0.21, 0.37, 0.11), 0.33))
    elif kind == _CHECKS:
        s = wp.floor(q[0] * 0.8 + 0.13) + wp.floor(q[1] * 0.8 + 0.13) + wp.floor(q[2] * 0.8 + 0.13)
        colour = wp.lerp(a, b, wave(s * 0.5 + 0.1))
    elif kind == _WOOD:
        warp_noise = noise(wp.vec3(q[0] * 0.7, q[1] * 0.7, q[2] * 0.22))
        ring = (q[0] * 0.9 + q[1] * 0.6 + 2.2 * warp_noise) * 0.9
        grain = noise(wp.vec3(q[0] * 7.0, q[1] * 7.0, q[2] * 0.9))
        saw = ring - wp.floor(ring)
        colour = wp.lerp(a, b, 0.75 * saw * saw + 0.35 * grain)
    elif kind == _METAL:
        # Soft bands stand for reflections, so that the metal is told from flat yellow or grey without lights.
        band = 0.5 + 0.5 * wp.sin(q[2] * 1.9 + q[0] * 0.8 - q[1] * 0.8 + 1.5 * noise(q * 0.5))
        colour = wp.lerp(a, b, band * band)
    elif kind == _MOSS:
        patch = cloud(q * 0.75 + wp.vec3(2.0, 0.5, 4.0)) + 0.12 * height
        if patch > 0.52:
            colour = b * (0.8 + 0.4 * noise(q * 5.0))
    elif kind == _STONE:
        fleck = cloud(q * 1.1)
        colour = wp.lerp(a, b, wp.clamp((fleck - 0.3) * 2.2, 0.0, 1.0)) * (0.9 + 0.2 * noise(q * 6.0))
        if wp.abs(noise(q * 0.9 + wp.vec3(3.1, 9.2, 4.4)) - 0.5) < 0.03:
            colour = colour * 0.6
    elif kind == _BRICK:
        course = q[2] * 1.7
        row = wp.floor(course)
        along = (q[0] + q[1]) * 0.85 + 0.5 * (row - 2.0 * wp.floor(row * 0.5))
        u = along - wp.floor(along)
        v = course - row
        colour = a * (0.85 + 0.3 * lattice(int(wp.floor(along)), int(row), 7))
        if u < 0.12 or v < 0.2:
            colour = b
    elif kind == _GLAZE:
        # Glaze poured from above over a clay body: its lower edge runs down in drips.
        if height < 0.62 - 0.34 * noise(wp.vec3(q[0] * 1.3, q[1] * 1.3, 0.5)):
            colour = b * (0.93 + 0.1 * noise(q * 4.0))
        else:
            colour = a * (0.92 + 0.16 * cloud(q * 0.8))
    elif kind == _MARBLE:
        vein = wp.abs(wp.sin(q[0] * 0.9 + q[1] * 0.7 + q[2] * 1.1 + 5.0 * cloud(q * 0.6)))
        colour = wp.lerp(b, a, wp.clamp(vein * 2.2, 0.0, 1.0))
    elif kind == _RUST:
        patch = wp.clamp((cloud(q * 0.95 + wp.vec3(8.0, 2.0, 6.0)) - 0.44) * 7.0, 0.0, 1.0)
        colour = wp.lerp(a, b * (0.75 + 0.5 * noise(q * 4.0)), patch)
    elif kind == _RAINBOW:
        colour = hue(wp.clamp(1.0 - height, 0.0, 1.0))
    elif kind == _SNOW:  # noqa: SIM102 - Warp compiles this chain as it stands
        if height + 0.34 * noise(wp.vec3(q[0] * 1.2, q[1] * 1.2, 3.0)) > 0.8:
            colour = b
    return wp.vec3(wp.clamp(colour[0], 0.0, 1.0), wp.clamp(colour[1], 0.0, 1.0), wp.clamp(colour[2], 0.0, 1.0))


@wp.func
def primitive_colour(prims: wp.array2d(dtype=wp.float32), row: int, p: wp.vec3) -> wp.vec3:
    """Colour of one primitive at p."""
    a = wp.vec3(prims[row, 25], prims[row, 26], prims[row, 27])
    kind = int(prims[row, 31])
    if kind == 0:
        return a
    b = wp.vec3(prims[row, 28], prims[row, 29], prims[row, 30])
    f = prims[row, 35]
    q = wp.vec3((p[0] - prims[row, 32]) * f, (p[1] - prims[row, 33]) * f, (p[2] - prims[row, 34]) * f)
    return pattern_colour(kind, a, b, q, prims[row, 36], prims[row, 37])


@wp.func
def object_colour(prims: wp.array2d(dtype=wp.float32), first: int, last: int, mask: wp.uint64, p: wp.vec3) -> wp.vec3:
    """Colour at p of the primitive that is nearest there; blended across smooth seams, repainted by PAINT rows."""
    total = float(FAR)
    group = float(FAR)
    # The owners are kept as row numbers, so that a pattern is evaluated once and not for every candidate.
    total_row = int(first)
    group_row = int(first)
    total_other = int(first)
    group_other = int(first)
    total_mix = float(0.0)
    group_mix = float(0.0)
    for row in range(first, last):
        if ((mask >> wp.uint64(row - first)) & wp.uint64(1)) != wp.uint64(0):
            op = int(prims[row, 1])
            d = primitive_distance(prims, row, p)
            if op == NEW:
                if group < total:
                    total = group
                    total_row = group_row
                    total_other = group_other
                    total_mix = group_mix
                group = d
                group_row = row
                group_mix = 0.0
            elif op == CUT:
                if -d > group:
                    group = -d
                    group_row = row
                    group_mix = 0.0
            elif op == INTERSECT:
                group = wp.max(group, d)
            elif op == PAINT:
                if d < 0.0:
                    group_row = row
                    group_mix = 0.0
            else:
                k = prims[row, 2]
                if op == BLEND and k > 0.0 and wp.abs(d - group) < k:
                    # The seam is sharper in colour than in shape: a third of its width.
                    share = wp.clamp(0.5 + 1.5 * (group - d) / k, 0.0, 1.0)
                    h = (k - wp.abs(d - group)) / k
                    if d < group:
                        group_other = group_row
                        group_row = row
                        group_mix = 1.0 - share
                    elif share > 0.0:
                        group_other = row
                        group_mix = share
                    group = wp.min(d, group) - h * h * k * 0.25
                elif d < group:
                    group = d
                    group_row = row
                    group_mix = 0.0
    if group < total:
        total_row = group_row
        total_other = group_other
        total_mix = group_mix
    colour = primitive_colour(prims, total_row, p)
    if total_mix > 0.01:
        colour = wp.lerp(colour, primitive_colour(prims, total_other, p), total_mix)
    return colour
