# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP018 - float(0.0) declares a variable in a Warp loop, a bare 0.0 a constant
"""Warp functions that give the signed distance of each primitive and of a whole object.

Distances are exact in the primitive's own frame, save for the ellipsoid (a first-order estimate, scaled down to stay
safe) and the pyramid (a lower bound outside). The formulas are the well known ones of distance-field modelling,
derived here by folding each shape to its fundamental region. One source serves the CPU and CUDA.
"""

from __future__ import annotations

import warp as wp

from . import model as m

wp.set_module_options({"enable_backward": False, "fast_math": True})

SPHERE = wp.constant(m.SPHERE)
ELLIPSOID = wp.constant(m.ELLIPSOID)
BOX = wp.constant(m.BOX)
CYLINDER = wp.constant(m.CYLINDER)
CONE = wp.constant(m.CONE)
ROUND_CONE = wp.constant(m.ROUND_CONE)
TORUS = wp.constant(m.TORUS)
ARC = wp.constant(m.ARC)
PRISM = wp.constant(m.PRISM)
PYRAMID = wp.constant(m.PYRAMID)
CAP = wp.constant(m.CAP)
UNION = wp.constant(m.UNION)
BLEND = wp.constant(m.BLEND)
CUT = wp.constant(m.CUT)
INTERSECT = wp.constant(m.INTERSECT)
NEW = wp.constant(m.NEW)
PAINT = wp.constant(m.PAINT)

FAR = wp.constant(1.0e4)


@wp.func
def flat_extrude(d: float, h: float) -> float:
    """Distance to a slab-bounded extrusion: d in the plane of the outline, h beyond the slab's face."""
    return wp.min(wp.max(d, h), 0.0) + wp.length(wp.vec2(wp.max(d, 0.0), wp.max(h, 0.0)))


@wp.func
def cone_distance(p: wp.vec3, r1: float, r2: float, h: float) -> float:
    """Truncated cone about Z: radius r1 at -h, r2 at h."""
    q = wp.vec2(wp.length(wp.vec2(p[0], p[1])), p[2])
    rim = r2
    if q[1] < 0.0:
        rim = r1
    ca = wp.vec2(q[0] - wp.min(q[0], rim), wp.abs(q[1]) - h)
    k2 = wp.vec2(r2 - r1, 2.0 * h)
    k1 = wp.vec2(r2, h)
    s = wp.clamp(wp.dot(k1 - q, k2) / wp.dot(k2, k2), 0.0, 1.0)
    cb = q - k1 + k2 * s
    sign = 1.0
    if cb[0] < 0.0 and ca[1] < 0.0:
        sign = -1.0
    return sign * wp.sqrt(wp.min(wp.dot(ca, ca), wp.dot(cb, cb)))


@wp.func
def round_cone_distance(p: wp.vec3, r1: float, r2: float, h: float) -> float:
    """Hull of a ball of radius r1 at the origin and one of radius r2 at height h on Z."""
    b = (r1 - r2) / h
    a = wp.sqrt(wp.max(1.0 - b * b, 0.0))
    q = wp.vec2(wp.length(wp.vec2(p[0], p[1])), p[2])
    k = a * q[1] - b * q[0]
    if k < 0.0:
        return wp.length(q) - r1
    if k > a * h:
        return wp.length(q - wp.vec2(0.0, h)) - r2
    return q[0] * a + q[1] * b - r1


@wp.func
def prism_distance(p: wp.vec3, w: float, h: float, depth: float) -> float:
    """Isosceles triangle in XZ (base 2w at -h, tip at h), extruded along Y over -depth..depth."""
    x = wp.abs(p[0])
    z = p[2]
    base = wp.vec2(x - wp.min(x, w), z + h)
    edge = wp.vec2(-w, 2.0 * h)
    foot = wp.vec2(x - w, z + h)
    t = wp.clamp(wp.dot(foot, edge) / wp.dot(edge, edge), 0.0, 1.0)
    side = foot - edge * t
    d = wp.sqrt(wp.min(wp.dot(base, base), wp.dot(side, side)))
    if z > -h and foot[0] * 2.0 * h + foot[1] * w < 0.0:
        d = -d
    return flat_extrude(d, wp.abs(p[1]) - depth)


@wp.func
def pyramid_distance(p: wp.vec3, a: float, b: float, h: float) -> float:
    """Pyramid on the base 2a x 2b at -h with its tip at h; the distance to its planes, a lower bound."""
    x = (wp.abs(p[0]) * 2.0 * h + (p[2] - h) * a) / wp.sqrt(4.0 * h * h + a * a)
    y = (wp.abs(p[1]) * 2.0 * h + (p[2] - h) * b) / wp.sqrt(4.0 * h * h + b * b)
    return wp.max(wp.max(x, y), -p[2] - h)


@wp.func
def cap_distance(p: wp.vec3, r: float, h: float) -> float:
    """The part of a ball of radius r above the plane z = h."""
    w = wp.sqrt(wp.max(r * r - h * h, 0.0))
    q = wp.vec2(wp.length(wp.vec2(p[0], p[1])), p[2])
    s = wp.max((h - r) * q[0] * q[0] + w * w * (h + r - 2.0 * q[1]), h * q[0] - w * q[1])
    if s < 0.0:
        return wp.length(q) - r
    if q[0] < w:
        return h - q[1]
    return wp.length(q - wp.vec2(w, h))


@wp.func
def star_distance(p: wp.vec3, outer: float, inner: float, depth: float) -> float:
    """Five-pointed star in XZ with one tip up, extruded along Y over -depth..depth."""
    sector = 1.2566370614359172
    angle = wp.atan2(p[0], p[2])
    angle = wp.abs(angle - sector * wp.floor(angle / sector + 0.5))
    r = wp.length(wp.vec2(p[0], p[2]))
    q = wp.vec2(r * wp.cos(angle), r * wp.sin(angle))
    tip = wp.vec2(outer, 0.0)
    valley = wp.vec2(inner * 0.80901699437, inner * 0.58778525229)
    edge = valley - tip
    foot = q - tip
    t = wp.clamp(wp.dot(foot, edge) / wp.dot(edge, edge), 0.0, 1.0)
    side = foot - edge * t
    d = wp.length(side)
    if edge[0] * foot[1] - edge[1] * foot[0] > 0.0:
        d = -d
    return flat_extrude(d, wp.abs(p[1]) - depth)


@wp.func
def primitive_distance(prims: wp.array2d(dtype=wp.float32), row: int, p: wp.vec3) -> float:
    """Safe signed distance of one primitive at p, both in the object's frame."""
    q = wp.vec3(
        prims[row, 8] * p[0] + prims[row, 9] * p[1] + prims[row, 10] * p[2] + prims[row, 17],
        prims[row, 11] * p[0] + prims[row, 12] * p[1] + prims[row, 13] * p[2] + prims[row, 18],
        prims[row, 14] * p[0] + prims[row, 15] * p[1] + prims[row, 16] * p[2] + prims[row, 19],
    )
    kind = int(prims[row, 0])
    r = prims[row, 3]
    a = prims[row, 4]
    b = prims[row, 5]
    c = prims[row, 6]
    d = float(0.0)
    if kind == SPHERE:
        d = wp.length(q) - a
    elif kind == ELLIPSOID:
        s = wp.vec3(q[0] / a, q[1] / b, q[2] / c)
        k0 = wp.length(s)
        k1 = wp.length(wp.vec3(s[0] / a, s[1] / b, s[2] / c))
        d = 0.9 * k0 * (k0 - 1.0) / wp.max(k1, 1.0e-6)
        if k0 < 0.2:
            d = -0.75 * wp.min(a, wp.min(b, c))
    elif kind == BOX:
        e = wp.vec3(wp.abs(q[0]) - a + r, wp.abs(q[1]) - b + r, wp.abs(q[2]) - c + r)
        outside = wp.length(wp.vec3(wp.max(e[0], 0.0), wp.max(e[1], 0.0), wp.max(e[2], 0.0)))
        d = outside + wp.min(wp.max(e[0], wp.max(e[1], e[2])), 0.0) - r
    elif kind == CYLINDER:
        d = flat_extrude(wp.length(wp.vec2(q[0], q[1])) - a + r, wp.abs(q[2]) - b + r) - r
    elif kind == CONE:
        d = cone_distance(q, a, b, c) - r
    elif kind == ROUND_CONE:
        d = round_cone_distance(q, a, b, c)
    elif kind == TORUS:
        d = wp.length(wp.vec2(wp.length(wp.vec2(q[0], q[1])) - a, q[2])) - b
    elif kind == ARC:
        x = wp.abs(q[0])
        # Inside the arc's sector the nearest point of its centre line is along the radius, beyond it the end.
        k = x * c + q[1] * prims[row, 7]
        if prims[row, 7] * x <= c * q[1]:
            k = wp.length(wp.vec2(x, q[1]))
        d = wp.sqrt(wp.max(wp.dot(q, q) + a * a - 2.0 * a * k, 0.0)) - b
    elif kind == PRISM:
        d = prism_distance(q, a, b, c) - r
    elif kind == PYRAMID:
        d = pyramid_distance(q, a, b, c)
    elif kind == CAP:
        d = cap_distance(q, a, b)
    else:
        d = star_distance(q, a, b, c)
    return d * prims[row, 20]


@wp.func
def bound_distance(prims: wp.array2d(dtype=wp.float32), row: int, p: wp.vec3) -> float:
    """Distance from p to the primitive's bounding sphere, a lower bound of its distance outside it."""
    return wp.length(wp.vec3(p[0] - prims[row, 21], p[1] - prims[row, 22], p[2] - prims[row, 23])) - prims[row, 24]


@wp.func
def blend_distance(a: float, b: float, k: float) -> float:
    """Smooth union of two distances; k is the width of the seam."""
    h = wp.max(k - wp.abs(a - b), 0.0) / wp.max(k, 1.0e-6)
    return wp.min(a, b) - h * h * k * 0.25


@wp.func
def object_distance(prims: wp.array2d(dtype=wp.float32), first: int, last: int, mask: wp.uint64, p: wp.vec3) -> float:
    """Signed distance of rows first..last at p. Rows whose bit in the mask is clear are left out."""
    total = float(FAR)
    group = float(FAR)
    for row in range(first, last):
        if ((mask >> wp.uint64(row - first)) & wp.uint64(1)) != wp.uint64(0):
            op = int(prims[row, 1])
            if op == NEW:
                total = wp.min(total, group)
                group = bound_distance(prims, row, p)
                if group < total + 0.15:
                    group = primitive_distance(prims, row, p)
            elif op == CUT:
                if -bound_distance(prims, row, p) > group:
                    group = wp.max(group, -primitive_distance(prims, row, p))
            elif op == INTERSECT:
                group = wp.max(group, primitive_distance(prims, row, p))
            elif op != PAINT:
                k = prims[row, 2]
                near = bound_distance(prims, row, p)
                if near < group + k and near < total + 0.15:
                    d = primitive_distance(prims, row, p)
                    if op == BLEND:
                        group = blend_distance(group, d, k)
                    else:
                        group = wp.min(group, d)
    return wp.min(total, group)
