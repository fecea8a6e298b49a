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
class _Level:
    # Cells along the cube's side, the first of its entries, whether it is stored without a hash, and by what a corner's
    # indices are multiplied before they are added (dense) or hashed and masked.
    scale: float
    first: int
    dense: bool
    mask: wp.uint32
    stride_y: wp.uint32
    stride_z: wp.uint32


@wp.func
def _level(levels: wp.array2d(dtype=int), number: int):
    grid = _Level()
    side = levels[number, 2]
    grid.scale = float(levels[number, 0])
    grid.first = levels[number, 1]
    grid.dense = side > 0
    grid.mask = wp.uint32(levels[number, 3])
    grid.stride_y = wp.where(grid.dense, wp.uint32(side), wp.uint32(wp.static(_PRIME_Y)))
    grid.stride_z = wp.where(grid.dense, wp.uint32(side * side), wp.uint32(wp.static(_PRIME_Z)))
    return grid


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
def _locate(p: wp.vec3, grid: _Level):
    # The half-cell shift keeps the cell walls of different levels apart (Instant-NGP, appendix A).
    half = 0.5 * grid.scale
    ux = wp.clamp(p[0], -1.0, 1.0) * half + half + 0.5
    uy = wp.clamp(p[1], -1.0, 1.0) * half + half + 0.5
    uz = wp.clamp(p[2], -1.0, 1.0) * half + half + 0.5
    ix = int(ux)
    iy = int(uy)
    iz = int(uz)
    cell = _Cell()
    cell.fx = ux - float(ix)
    cell.fy = uy - float(iy)
    cell.fz = uz - float(iz)
    cell.x0 = wp.uint32(ix)
    cell.x1 = cell.x0 + wp.uint32(1)
    cell.y0 = wp.uint32(iy) * grid.stride_y
    cell.y1 = cell.y0 + grid.stride_y
    cell.z0 = wp.uint32(iz) * grid.stride_z
    cell.z1 = cell.z0 + grid.stride_z
    return cell


@wp.func
def _entry(x: wp.uint32, y: wp.uint32, z: wp.uint32, grid: _Level):
    hashed = (x ^ y ^ z) & grid.mask
    return grid.first + int(wp.where(grid.dense, x + y + z, hashed))


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
    grid = _level(levels, level)
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        p = points[i]
        cell = _locate(p, grid)
        a = table[_entry(cell.x0, cell.y0, cell.z0, grid)]
        b = table[_entry(cell.x1, cell.y0, cell.z0, grid)]
        low = a + (b - a) * cell.fx
        a = table[_entry(cell.x0, cell.y1, cell.z0, grid)]
        b = table[_entry(cell.x1, cell.y1, cell.z0, grid)]
        low = low + (a + (b - a) * cell.fx - low) * cell.fy
        a = table[_entry(cell.x0, cell.y0, cell.z1, grid)]
        b = table[_entry(cell.x1, cell.y0, cell.z1, grid)]
        high = a + (b - a) * cell.fx
        a = table[_entry(cell.x0, cell.y1, cell.z1, grid)]
        b = table[_entry(cell.x1, cell.y1, cell.z1, grid)]
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
    grid = _level(levels, level)
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        g = wp.vec2(gradient[i, 2 * level], gradient[i, 2 * level + 1])
        if g[0] != 0.0 or g[1] != 0.0:
            p = points[i]
            cell = _locate(p, grid)
            g1 = g * cell.fz
            g0 = g - g1
            g01 = g0 * cell.fy
            g00 = g0 - g01
            g11 = g1 * cell.fy
            g10 = g1 - g11
            u = g00 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y0, cell.z0, grid), g00 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y0, cell.z0, grid), u)
            u = g01 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y1, cell.z0, grid), g01 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y1, cell.z0, grid), u)
            u = g10 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y0, cell.z1, grid), g10 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y0, cell.z1, grid), u)
            u = g11 * cell.fx
            wp.atomic_add(table_gradient, _entry(cell.x0, cell.y1, cell.z1, grid), g11 - u)
            wp.atomic_add(table_gradient, _entry(cell.x1, cell.y1, cell.z1, grid), u)


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
    grid = _level(levels, level)
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        g = wp.vec2(gradient[i, 2 * level], gradient[i, 2 * level + 1])
        if g[0] != 0.0 or g[1] != 0.0:
            p = points[i]
            cell = _locate(p, grid)
            v000 = wp.dot(g, table[_entry(cell.x0, cell.y0, cell.z0, grid)])
            v100 = wp.dot(g, table[_entry(cell.x1, cell.y0, cell.z0, grid)])
            v010 = wp.dot(g, table[_entry(cell.x0, cell.y1, cell.z0, grid)])
            v110 = wp.dot(g, table[_entry(cell.x1, cell.y1, cell.z0, grid)])
            v001 = wp.dot(g, table[_entry(cell.x0, cell.y0, cell.z1, grid)])
            v101 = wp.dot(g, table[_entry(cell.x1, cell.y0, cell.z1, grid)])
            v011 = wp.dot(g, table[_entry(cell.x0, cell.y1, cell.z1, grid)])
            v111 = wp.dot(g, table[_entry(cell.x1, cell.y1, cell.z1, grid)])
            near = wp.lerp(v100 - v000, v110 - v010, cell.fy)
            dx = wp.lerp(near, wp.lerp(v101 - v001, v111 - v011, cell.fy), cell.fz)
            v00 = wp.lerp(v000, v100, cell.fx)
            v10 = wp.lerp(v010, v110, cell.fx)
            v01 = wp.lerp(v001, v101, cell.fx)
            v11 = wp.lerp(v011, v111, cell.fx)
            dy = wp.lerp(v10 - v00, v11 - v01, cell.fz)
            dz = wp.lerp(v01 - v00, v11 - v10, cell.fy)
            step = wp.vec3(dx * _slope(p[0], grid.scale), dy * _slope(p[1], grid.scale), dz * _slope(p[2], grid.scale))
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
    grid = _level(levels, level)
    for i in range(block * chunk, wp.min(block * chunk + chunk, count)):
        p = points[i]
        v = upstream[i]
        sx = _slope(p[0], grid.scale)
        sy = _slope(p[1], grid.scale)
        sz = _slope(p[2], grid.scale)
        v = wp.vec3(v[0] * sx, v[1] * sy, v[2] * sz)
        g = wp.vec2(gradient[i, 2 * level], gradient[i, 2 * level + 1])
        cell = _locate(p, grid)
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
                grid,
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
