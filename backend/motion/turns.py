# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as arrays: about an axis, between directions, as quaternions (w, x, y, z), as six numbers, and between.

Everything works on any leading shape and in float64. World axes: Z up, a figure looks along -Y and its left is +X.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def about(axis: str, angle: Any) -> Array:
    """(..., 3, 3) turns by `angle` (...) radians about x, y or z, counter-clockwise seen from the axis' tip."""
    angle = np.asarray(angle, np.float64)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.zeros((*angle.shape, 3, 3))
    a, b = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    turn[..., a, a], turn[..., b, b] = c, c
    turn[..., a, b], turn[..., b, a] = -s, s
    first = 3 - a - b
    turn[..., first, first] = 1.0
    return turn


def euler(angles: Any) -> Array:
    """(..., 3) of (forward pitch, lean to the left, turn to the left) -> (..., 3, 3): turned, then pitched, then leant.

    A positive pitch bends forward (-Y), a positive lean moves the top to the left (+X).
    """
    angles = np.asarray(angles, np.float64)
    return about("z", angles[..., 2]) @ about("x", angles[..., 0]) @ about("y", angles[..., 1])


def unit(v: Any) -> Array:
    """Vectors of length 1; zero stays zero."""
    v = np.asarray(v, np.float64)
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12))


def between(a: Any, b: Any) -> Array:
    """(..., 3, 3): the smallest turn that takes direction a to direction b; about any normal where they are opposed."""
    a, b = np.broadcast_arrays(unit(a), unit(b))
    dot = (a * b).sum(-1)
    cross = np.cross(a, b)
    turn = np.eye(3) + hat(cross) + hat(cross) @ hat(cross) / np.maximum(1.0 + dot, 1e-9)[..., None, None]
    opposed = dot < -1.0 + 1e-7
    if opposed.any():
        helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
        normal = unit(np.cross(a, helper))
        half = 2.0 * normal[..., :, None] * normal[..., None, :] - np.eye(3)
        turn = np.where(opposed[..., None, None], half, turn)
    return np.asarray(turn)


def hat(v: Array) -> Array:
    """(..., 3) -> (..., 3, 3): the matrix of the cross product with v."""
    x, y, z = np.moveaxis(v, -1, 0)
    o = np.zeros_like(x)
    return np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)


def frame(along: Any, hinge: Any) -> Array:
    """(..., 3, 3) with columns (hinge, along x hinge, along), orthonormal; `along` is kept and `hinge` bent to it."""
    along = unit(along)
    hinge = unit(hinge - (np.asarray(hinge) * along).sum(-1, keepdims=True) * along)
    return np.stack([hinge, np.cross(along, hinge), along], -1)


def transpose(turn: Array) -> Array:
    """The inverse of rotations."""
    return np.swapaxes(turn, -1, -2)


def quaternions(turn: Array) -> Array:
    """(..., 3, 3) -> (..., 4) w, x, y, z with w >= 0 (Bar-Itzhack's choice of the largest term)."""
    m = np.asarray(turn, np.float64)
    t = np.stack([
        1 + m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2], 1 + m[..., 0, 0] - m[..., 1, 1] - m[..., 2, 2],
        1 - m[..., 0, 0] + m[..., 1, 1] - m[..., 2, 2], 1 - m[..., 0, 0] - m[..., 1, 1] + m[..., 2, 2],
    ], -1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    table = np.stack([
        np.stack([t[..., 0], wx, wy, wz], -1), np.stack([wx, t[..., 1], xy, xz], -1),
        np.stack([wy, xy, t[..., 2], yz], -1), np.stack([wz, xz, yz, t[..., 3]], -1),
    ], -2)
    best = np.take_along_axis(table, t.argmax(-1)[..., None, None], -2)[..., 0, :]
    best = unit(best)
    return np.asarray(np.where(best[..., :1] < 0, -best, best))


def matrices(quaternion: Any) -> Array:
    """(..., 4) w, x, y, z of any length but 0 -> (..., 3, 3)."""
    w, x, y, z = np.moveaxis(unit(quaternion), -1, 0)
    return np.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ], -1).reshape(*w.shape, 3, 3)


def blend(a: Array, b: Array, share: Any) -> Array:
    """(..., 3, 3) on the shortest way from a (share 0) to b (share 1); share broadcasts against the leading shape."""
    qa, qb = quaternions(a), quaternions(b)
    dot = (qa * qb).sum(-1, keepdims=True)
    qb = np.where(dot < 0, -qb, qb)
    dot = np.minimum(np.abs(dot), 1.0)
    share = np.asarray(share, np.float64)[..., None]
    angle = np.arccos(dot)
    sine = np.maximum(np.sin(angle), 1e-9)
    near = dot > 1.0 - 1e-9
    first = np.where(near, 1.0 - share, np.sin((1.0 - share) * angle) / sine)
    second = np.where(near, share, np.sin(share * angle) / sine)
    return matrices(first * qa + second * qb)


def angle_of(turn: Array) -> Array:
    """(...) radians, 0 to pi, exact near 0 too."""
    skew = np.stack([turn[..., 2, 1] - turn[..., 1, 2], turn[..., 0, 2] - turn[..., 2, 0],
                     turn[..., 1, 0] - turn[..., 0, 1]], -1)
    trace = np.trace(turn, axis1=-2, axis2=-1)
    return np.asarray(np.arctan2(np.linalg.norm(skew, axis=-1), trace - 1.0))


def six(turn: Array) -> Array:
    """(..., 3, 3) -> (..., 6): the first two columns (Zhou et al. 2019, section 4.2)."""
    return np.concatenate([turn[..., :, 0], turn[..., :, 1]], -1)


def from_six(numbers: Array) -> Array:
    """(..., 6) -> (..., 3, 3) by Gram and Schmidt."""
    x = unit(numbers[..., :3])
    y = unit(numbers[..., 3:] - (numbers[..., 3:] * x).sum(-1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], -1)
