# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural textures with holes, whose truth is known: nine kinds from checks to wood, all in random colours, scales
and turns, drawn four times finer and averaged down, so that edges lie between pixels as in real pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KINDS = ("checker", "stripes", "bricks", "dots", "noise", "wood", "gradient", "tiles", "flat boxes")
FINER = 4


def texture(kind: str, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(size, size, 3) in 0..1."""
    fine = size * FINER
    y, x = (np.mgrid[:fine, :fine] + 0.5) / fine
    one, two = rng.random(3), rng.random(3)
    angle = rng.uniform(0, np.pi) if kind in ("stripes", "wood", "gradient") or rng.random() < 0.5 else 0.0
    u = np.cos(angle) * x + np.sin(angle) * y + rng.random()
    v = -np.sin(angle) * x + np.cos(angle) * y + rng.random()
    count = rng.uniform(3.0, 8.0)
    if kind == "checker":
        share = (np.floor(u * count) + np.floor(v * count)) % 2
    elif kind == "stripes":
        share = ((u * count) % 1 < rng.uniform(0.3, 0.7)).astype(float)
    elif kind == "bricks":
        row = np.floor(v * count)
        across, mortar = (u * count / 2 + 0.5 * (row % 2)) % 1, rng.uniform(0.08, 0.16)
        share = ((across < mortar / 2) | ((v * count) % 1 < mortar)).astype(float)
    elif kind == "dots":
        share = (np.hypot((u * count) % 1 - 0.5, (v * count) % 1 - 0.5) < rng.uniform(0.2, 0.4)).astype(float)
    elif kind == "noise":
        share = _value_noise(x, y, rng, int(count), 3)
    elif kind == "wood":
        bent = u * count + 0.6 * _value_noise(x, y, rng, 3, 2)
        share = 0.5 + 0.5 * np.sin(2 * np.pi * bent) * (0.8 + 0.2 * _value_noise(x, y, rng, 8, 1))
    elif kind == "gradient":
        share = np.clip((u - u.min()) / (u.max() - u.min()), 0, 1) ** rng.uniform(0.7, 1.5)
    elif kind == "tiles":
        cell = rng.random((40, 40)) * 0.3
        row, column = (np.floor(value * count).astype(int) % 40 for value in (v, u))
        gap = ((u * count) % 1 < 0.1) | ((v * count) % 1 < 0.1)
        share = np.where(gap, 1.0, cell[row, column])
    elif kind == "flat boxes":
        share = np.zeros_like(x)
        for _ in range(6):
            left, top, width, height = rng.random(4)
            inside = (x > left) & (x < left + 0.5 * width) & (y > top) & (y < top + 0.5 * height)
            share = np.where(inside, rng.random(), share)
    else:
        raise ValueError(kind)
    picture = one + (two - one) * share[..., None]
    return picture.reshape(size, FINER, size, FINER, 3).mean((1, 3)).astype(np.float32)


def hole(size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(size, size) bool: strokes or boxes over 2 to 60 % of the area."""
    while True:
        mask = np.zeros((size, size), bool)
        for _ in range(rng.integers(1, 5)):
            if rng.random() < 0.5:
                height, width = rng.integers(size // 8, size // 2, 2)
                top, left = rng.integers(0, size - height), rng.integers(0, size - width)
                mask[top : top + height, left : left + width] = True
            else:
                _stroke(mask, size, rng)
        if 0.02 <= mask.mean() <= 0.6:
            return mask


def _stroke(mask: NDArray[np.bool_], size: int, rng: np.random.Generator) -> None:
    rows, columns = np.mgrid[:size, :size]
    place, angle, width = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi), rng.uniform(size / 16, size / 5)
    for _ in range(int(rng.integers(8, 30))):
        mask |= np.hypot(rows - place[0], columns - place[1]) < width / 2
        angle += rng.normal(0, 0.4)
        place = np.clip(place + size / 24 * np.array([np.sin(angle), np.cos(angle)]), 0, size)


def _value_noise(x: NDArray, y: NDArray, rng: np.random.Generator, cells: int, octaves: int) -> NDArray:
    """Smooth noise in 0..1: random values on a grid, joined by cubics."""
    total, weight = np.zeros_like(x), 0.0
    for octave in range(octaves):
        grid = rng.random((cells + 2, cells + 2))
        fx, fy = x * cells, y * cells
        column, row = np.floor(fx).astype(int), np.floor(fy).astype(int)
        sx, sy = (part**2 * (3 - 2 * part) for part in (fx - column, fy - row))
        above = grid[row, column] * (1 - sx) + grid[row, column + 1] * sx
        below = grid[row + 1, column] * (1 - sx) + grid[row + 1, column + 1] * sx
        total += (above * (1 - sy) + below * sy) * 0.5**octave
        weight += 0.5**octave
        cells *= 2
    return total / weight
