# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes whose bones are known, made of capsules: limbs are capsules, so a limb's middle line is its bone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh

Shape = tuple[np.ndarray, np.ndarray]


def capsule(start, end, radius: float) -> Shape:
    """A closed capsule around a line, wound outwards."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(end - start))
    made = trimesh.creation.capsule(height=length, radius=radius, count=[12, 12])
    turn = trimesh.geometry.align_vectors([0, 0, 1], (end - start) / length)
    return made.vertices @ turn[:3, :3].T + 0.5 * (start + end), made.faces.astype(np.int64)


def together(parts: list[Shape]) -> Shape:
    """Several meshes as one, overlapping as they are."""
    counts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    return (np.concatenate([vertices for vertices, _ in parts]),
            np.concatenate([faces + start for (_, faces), start in zip(parts, counts, strict=False)]))


def four_legged() -> Shape:
    """Facing -Y, 2 m long: a barrel, a neck up to a head, a thin tail, four legs."""
    parts = [capsule((0, -0.5, 0.9), (0, 0.5, 0.9), 0.22), capsule((0, -0.55, 0.95), (0, -0.9, 1.3), 0.11),
             capsule((0, -0.9, 1.3), (0, -1.15, 1.2), 0.10), capsule((0, 0.6, 0.95), (0, 1.2, 0.9), 0.05)]
    parts += [capsule((x, y, 0.85), (x, y, 0.06), 0.06) for x in (-0.15, 0.15) for y in (-0.45, 0.45)]
    return together(parts)


def many_legged() -> Shape:
    """A spider that looks to -Y: two lumps, eight legs that rise and fall."""
    parts = [capsule((0, -0.1, 0.3), (0, 0.1, 0.3), 0.12), capsule((0, 0.3, 0.35), (0, 0.55, 0.35), 0.2)]
    for side in (-1, 1):
        for number, angle in enumerate(np.radians([-50, -20, 10, 35])):
            way = np.array([side * np.cos(angle), np.sin(angle), 0.0])
            hip = np.array([0, -0.12 + 0.08 * number, 0.3]) + 0.08 * way
            knee = hip + 0.5 * way + [0, 0, 0.3]
            parts += [capsule(hip, knee, 0.03), capsule(knee, hip + way + [0, 0, -0.28], 0.03)]
    return together(parts)


def winding() -> Shape:
    """A snake along Y, thick at its head at -Y."""
    y = np.linspace(-1.0, 1.0, 25)
    line = np.stack([0.1 * np.sin(6 * y), y, np.full_like(y, 0.06)], 1)
    radius = np.interp(y, [-1, -0.85, 1], [0.08, 0.06, 0.02])
    return together([capsule(a, b, r) for a, b, r in zip(line[:-1], line[1:], radius, strict=False)])


@pytest.fixture
def limb() -> Callable[..., Shape]:
    return capsule


@pytest.fixture
def joined() -> Callable[[list[Shape]], Shape]:
    return together


@pytest.fixture(scope="session")
def shapes() -> dict[str, Shape]:
    """Creatures by kind."""
    return {"quadruped": four_legged(), "spider": many_legged(), "snake": winding()}
