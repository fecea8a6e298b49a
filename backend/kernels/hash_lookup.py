# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels of the hash grid: where a point lies in each level, what the table says there, and both gradients of it.

One thread looks up some points in one level; `hash_grid` says which, and makes differentiable functions of these.
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})

_PRIME_Y = 2654435761 - (1 << 32)
_PRIME_Z = 805459861
"""Multipliers of the spatial hash, from the paper's equation 4 (2654435761 as a signed 32-bit number); the first axis
uses 1, for cache coherence."""


@wp.struct
class _Cell:
    # The lower corner's three index terms and those of the upper corner, and the position inside the cell.
    x0: wp.uint32
    x1: wp.uint32
    y0: wp.uint32
    y1: wp.uint32
    z0: wp.uint32
    z1: wp.uint32
    fx: float
    fy: float
    fz: float


@wp.func
def _locate(px: float, py: float, pz: float, scale: float, stride_y: wp.uint32, stride_z: wp.uint32):
    # The half-cell shift keeps the cell walls of different levels apart (Instant-NGP, appendix A).
    half = 0.5 * scale
    ux = wp.clamp(px, -1.0, 1.0) * half + half + 0.5
    uy = wp.clamp(py, -1.0, 1.0) * half + half + 0.5
    uz = wp.clamp(pz, -1.0, 1.0) * half + half + 0.5
    ix = int(ux)
    iy = int(uy)
    iz = int(uz)
    cell = _Cell()
    cell.fx = ux - float(ix)
    cell.fy = uy - float(iy)
    cell.fz = uz - float(iz)
    cell.x0 = wp.uint32(ix)
    cell.x1 = cell.x0 + wp.uint32(1)
    cell.y0 = wp.uint32(iy) * stride_y
    cell.y1 = cell.y0 + stride_y
    cell.z0 = wp.uint32(iz) * stride_z
    cell.z1 = cell.z0 + stride_z
    return cell


@wp.func
def _entry(x: wp.uint32, y: wp.uint32, z: wp.uint32, dense: bool, mask: wp.uint32, first: int):
    hashed = (x ^ y ^ z) & mask
    return first + int(wp.where(dense, x + y + z, hashed))


@wp.kernel
def encode(
    points: wp.array(dtype=wp.vec3),
    levels: wp.array2d(dtype=int),
    count: int,
    chunk: int,
    table: wp.array(dtype=wp.vec2),
    features: wp.array2d(dtype=float),
):
    level, block = wp.tid()
    scale = float(levels[level, 0])
    first = levels[level, 1]
    side = levels[level, 2]
    mask = wp.uint32(levels[level, 3])
    dense = side > 0
    stride_y = wp.where(dense, wp.uint32(side), wp.uint32(wp.static(_PRIME_Y)))
    stride_z = wp.where(dense, wp.uint32(side * side), wp.uint32(wp.static(_PRIME_Z)))
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        p = points[i]
        cell = _locate(p[0], p[1], p[2], scale, stride_y, stride_z)
        a = table[_entry(cell.x0, cell.y0, cell.z0, dense, mask, first)]
        b = table[_entry(cell.x1, cell.y0, cell.z0, dense, mask, first)]
        low = a + (b - a) * cell.fx
        a = table[_entry(cell.x0, cell.y1, cell.z0, dense, mask, first)]
        b = table[_entry(cell.x1, cell.y1, cell.z0, dense, mask, first)]
        low = low + (a + (b - a) * cell.fx - low) * cell.fy
        a = table[_entry(cell.x0, cell.y0, cell.z1, dense, mask, first)]
        b = table[_entry(cell.x1, cell.y0, cell.z1, dense, mask, first)]
        high = a + (b - a) * cell.fx
        a = table[_entry(cell.x0, cell.y1, cell.z1, dense, mask, first)]
        b = table[_entry(cell.x1, cell.y1, cell.z1, dense, mask, first)]
        high = high + (a + (b - a) * cell.fx - high) * cell.fy
        value = low + (high - low) * cell.fz
        features[2 * level, i] = value[0]
        features[2 * level + 1, i] = value[1]


@wp.kernel
def scatter(
    points: wp.array(dtype=wp.vec3),
    levels: wp.array2d(dtype=int),
    count: int,
    chunk: int,
    gradient: wp.array2d(dtype=float),
    table_gradient: wp.array(dtype=wp.vec2),
):
    level, block = wp.tid()
    scale = float(levels[level, 0])
    first = levels[level, 1]
    side = levels[level, 2]
    mask = wp.uint32(levels[level, 3])
    dense = side > 0
    stride_y = wp.where(dense, wp.uint32(side), wp.uint32(wp.static(_PRIME_Y)))
    stride_z = wp.where(dense, wp.uint32(side * side), wp.uint32(wp.static(_PRIME_Z)))
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        g = wp.vec2(gradient[i, 2 * level], gradient[i, 2 * level + 1])
        if g[0] != 0.0 or g[1] != 0.0:
            p = points[i]
            cell = _locate(p[0], p[1], p[2], scale, stride_y, stride_z)
            g1 = g * cell.fz
            g0 = g - g1
            g01 = g0 * cell.fy
            g00 = g0 - g01
            g11 = g1 * cell.fy
            g10 = g1 - g11
            u = g00 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y0, cell.z0, dense, mask, first), g00 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y0, cell.z0, dense, mask, first), u)
            u = g01 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y1, cell.z0, dense, mask, first), g01 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y1, cell.z0, dense, mask, first), u)
            u = g10 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y0, cell.z1, dense, mask, first), g10 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y0, cell.z1, dense, mask, first), u)
            u = g11 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y1, cell.z1, dense, mask, first), g11 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y1, cell.z1, dense, mask, first), u)


@wp.func
def _slope(value: float, scale: float):
    # Outside the cube the encoding is constant along that axis.
    return wp.where(value < -1.0 or value > 1.0, 0.0, 0.5 * scale)


@wp.kernel
def point_gradient(
    points: wp.array(dtype=wp.vec3),
    levels: wp.array2d(dtype=int),
    count: int,
    chunk: int,
    table: wp.array(dtype=wp.vec2),
    gradient: wp.array2d(dtype=float),
    out: wp.array(dtype=wp.vec3),
):
    level, block = wp.tid()
    scale = float(levels[level, 0])
    first = levels[level, 1]
    side = levels[level, 2]
    mask = wp.uint32(levels[level, 3])
    dense = side > 0
    stride_y = wp.where(dense, wp.uint32(side), wp.uint32(wp.static(_PRIME_Y)))
    stride_z = wp.where(dense, wp.uint32(side * side), wp.uint32(wp.static(_PRIME_Z)))
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        g = wp.vec2(gradient[i, 2 * level], gradient[i, 2 * level + 1])
        if g[0] != 0.0 or g[1] != 0.0:
            p = points[i]
            cell = _locate(p[0], p[1], p[2], scale, stride_y, stride_z)
            v000 = wp.dot(g, table[_entry(cell.x0, cell.y0, cell.z0, dense, mask, first)])
            v100 = wp.dot(g, table[_entry(cell.x1, cell.y0, cell.z0, dense, mask, first)])
            v010 = wp.dot(g, table[_entry(cell.x0, cell.y1, cell.z0, dense, mask, first)])
            v110 = wp.dot(g, table[_entry(cell.x1, cell.y1, cell.z0, dense, mask, first)])
            v001 = wp.dot(g, table[_entry(cell.x0, cell.y0, cell.z1, dense, mask, first)])
            v101 = wp.dot(g, table[_entry(cell.x1, cell.y0, cell.z1, dense, mask, first)])
            v011 = wp.dot(g, table[_entry(cell.x0, cell.y1, cell.z1, dense, mask, first)])
            v111 = wp.dot(g, table[_entry(cell.x1, cell.y1, cell.z1, dense, mask, first)])
            near = wp.lerp(v100 - v000, v110 - v010, cell.fy)
            dx = wp.lerp(near, wp.lerp(v101 - v001, v111 - v011, cell.fy), cell.fz)
            v00 = wp.lerp(v000, v100, cell.fx)
            v10 = wp.lerp(v010, v110, cell.fx)
            v01 = wp.lerp(v001, v101, cell.fx)
            v11 = wp.lerp(v011, v111, cell.fx)
            dy = wp.lerp(v10 - v00, v11 - v01, cell.fz)
            dz = wp.lerp(v01 - v00, v11 - v10, cell.fy)
            step = wp.vec3(dx * _slope(p[0], scale), dy * _slope(p[1], scale), dz * _slope(p[2], scale))
            wp.atomic_add(out, i, step)


@wp.kernel
def point_gradient_backward(
    points: wp.array(dtype=wp.vec3),
    levels: wp.array2d(dtype=int),
    count: int,
    chunk: int,
    table: wp.array(dtype=wp.vec2),
    gradient: wp.array2d(dtype=float),
    upstream: wp.array(dtype=wp.vec3),
    out_gradient: wp.array2d(dtype=float),
    out_table: wp.array(dtype=wp.vec2),
    want_points: int,
    out_points: wp.array(dtype=wp.vec3),
):
    level, block = wp.tid()
    scale = float(levels[level, 0])
    first = levels[level, 1]
    side = levels[level, 2]
    mask = wp.uint32(levels[level, 3])
    dense = side > 0
    stride_y = wp.where(dense, wp.uint32(side), wp.uint32(wp.static(_PRIME_Y)))
    stride_z = wp.where(dense, wp.uint32(side * side), wp.uint32(wp.static(_PRIME_Z)))
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        p = points[i]
        v = upstream[i]
        sx = _slope(p[0], scale)
        sy = _slope(p[1], scale)
        sz = _slope(p[2], scale)
        v = wp.vec3(v[0] * sx, v[1] * sy, v[2] * sz)
        g = wp.vec2(gradient[i, 2 * level], gradient[i, 2 * level + 1])
        cell = _locate(p[0], p[1], p[2], scale, stride_y, stride_z)
        total = wp.vec2(0.0, 0.0)
        second = wp.vec3(0.0, 0.0, 0.0)
        for corner in range(8):
            bx = corner & 1
            by = (corner >> 1) & 1
            bz = corner >> 2
            entry = _entry(
                wp.where(bx == 1, cell.x1, cell.x0),
                wp.where(by == 1, cell.y1, cell.y0),
                wp.where(bz == 1, cell.z1, cell.z0),
                dense,
                mask,
                first,
            )
            wx = wp.where(bx == 1, cell.fx, 1.0 - cell.fx)
            wy = wp.where(by == 1, cell.fy, 1.0 - cell.fy)
            wz = wp.where(bz == 1, cell.fz, 1.0 - cell.fz)
            ex = float(2 * bx - 1)
            ey = float(2 * by - 1)
            ez = float(2 * bz - 1)
            weight = v[0] * ex * wy * wz + v[1] * wx * ey * wz + v[2] * wx * wy * ez
            value = table[entry]
            total += value * weight
            wp.atomic_add(out_table, entry, g * weight)
            if want_points != 0:
                s = wp.dot(g, value)
                second += (
                    wp.vec3(
                        (v[1] * ex * ey * wz + v[2] * ex * wy * ez) * sx,
                        (v[0] * ex * ey * wz + v[2] * wx * ey * ez) * sy,
                        (v[0] * ex * wy * ez + v[1] * wx * ey * ez) * sz,
                    )
                    * s
                )
        out_gradient[2 * level, i] = total[0]
        out_gradient[2 * level + 1, i] = total[1]
        if want_points != 0:
            wp.atomic_add(out_points, i, second)
