# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances of single primitives against closed forms in float64, and what combining them does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.embedded.objects import Recipe
from backend.embedded.objects import model as m
from backend.embedded.objects.construct import Builder
from backend.embedded.objects.model import transformed
from backend.embedded.objects.templates import local_bound, local_surface
from backend.embedded.objects.tracer import distances


def builder() -> Builder:
    return Builder(Recipe("ball", "red"), np.random.default_rng(0))


def points(n: int = 2000) -> np.ndarray:
    return np.random.default_rng(1).uniform(-2, 2, (n, 3))


def box_distance(p: np.ndarray, half: np.ndarray, r: float) -> np.ndarray:
    q = np.abs(p) - half + r
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0) - r


def cylinder_distance(p: np.ndarray, r: float, h: float) -> np.ndarray:
    q = np.stack([np.hypot(p[:, 0], p[:, 1]) - r, np.abs(p[:, 2]) - h / 2], axis=1)
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)


EXACT: list[tuple[str, Callable[[Builder], None], Callable[[np.ndarray], np.ndarray]]] = [
    (
        "sphere",
        lambda b: b.sphere((0.3, -0.2, 0.1), 0.7),
        lambda p: np.linalg.norm(p - [0.3, -0.2, 0.1], axis=1) - 0.7,
    ),
    (
        "rounded box",
        lambda b: b.box((0.1, 0, 0), (1.2, 0.8, 1.0), round=0.1),
        lambda p: box_distance(p - [0.1, 0, 0], np.array([0.6, 0.4, 0.5]), 0.1),
    ),
    (
        "torus",
        lambda b: b.ring((0, 0, 0.2), 0.8, 0.2),
        lambda p: np.hypot(np.hypot(p[:, 0], p[:, 1]) - 0.8, p[:, 2] - 0.2) - 0.2,
    ),
    ("cylinder", lambda b: b.cylinder((0, 0, 0), 0.5, 1.4), lambda p: cylinder_distance(p, 0.5, 1.4)),
    (
        "capsule",
        lambda b: b.limb((0, 0, -0.5), (0, 0, 0.5), 0.3),
        lambda p: (
            np.linalg.norm(p - np.stack([0 * p[:, 0], 0 * p[:, 0], p[:, 2].clip(-0.5, 0.5)], axis=1), axis=1) - 0.3
        ),
    ),
]


@pytest.mark.parametrize(("build", "truth"), [case[1:] for case in EXACT], ids=[case[0] for case in EXACT])
def test_distance_is_the_closed_form(build, truth) -> None:
    b = builder()
    build(b)
    p = points()
    np.testing.assert_allclose(distances(b.primitives(), p), truth(p), atol=3e-6)


def test_arc_is_the_nearest_of_its_centre_line() -> None:
    b = builder()
    b.arc((0, 0, 0), 0.7, 0.1, degrees=200, towards=(1, 0, 0), axis=(0, 0, 1))
    angles = np.radians(np.linspace(-100, 100, 4001))
    line = np.stack([0.7 * np.cos(angles), 0.7 * np.sin(angles), 0 * angles], axis=1)
    p = points(200)
    truth = np.linalg.norm(p[:, None] - line[None], axis=2).min(axis=1) - 0.1
    np.testing.assert_allclose(distances(b.primitives(), p), truth, atol=1e-4)


SHAPES = {
    "sphere": (m.SPHERE, (0.6,), 0.0),
    "ellipsoid": (m.ELLIPSOID, (0.7, 0.4, 0.25), 0.0),
    "box": (m.BOX, (0.5, 0.3, 0.6), 0.08),
    "cylinder": (m.CYLINDER, (0.4, 0.5), 0.06),
    "cone": (m.CONE, (0.5, 0.2, 0.4), 0.0),
    "round cone": (m.ROUND_CONE, (0.4, 0.2, 0.7), 0.0),
    "torus": (m.TORUS, (0.6, 0.15), 0.0),
    "arc": (m.ARC, (0.6, 0.1, np.sin(1.2), np.cos(1.2)), 0.0),
    "prism": (m.PRISM, (0.5, 0.4, 0.6), 0.05),
    "pyramid": (m.PYRAMID, (0.5, 0.6, 0.4), 0.0),
    "cap": (m.CAP, (0.7, 0.1), 0.0),
    "star": (m.STAR, (0.8, 0.35, 0.1), 0.0),
}


def single(name: str) -> m.FloatArray:
    kind, dims, rounding = SHAPES[name]
    b = builder()
    b._add(kind, dims, (0.1, -0.1, 0.2), "main", turn=(20, 40, 60), rounding=rounding)
    return b.primitives()


@pytest.mark.parametrize("name", SHAPES)
def test_distance_never_oversteps(name: str) -> None:
    """A step of the returned distance from outside stays outside: the law that sphere tracing rests on."""
    rows = single(name)
    p = points(4000)
    d = distances(rows, p)
    outside = d > 0.02
    rng = np.random.default_rng(2)
    directions = rng.normal(size=(int(outside.sum()), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert (distances(rows, p[outside] + directions * d[outside, None] * 0.98) > -1e-3).all()


@pytest.mark.parametrize("name", SHAPES)
def test_surface_points_lie_on_the_surface_and_in_the_bound(name: str) -> None:
    kind, dims, rounding = SHAPES[name]
    padded = np.zeros(4)
    padded[: len(dims)] = dims
    b = builder()
    b._add(kind, dims, (0, 0, 0), "main", rounding=rounding)
    cloud = local_surface(kind, padded, rounding)
    d = distances(b.primitives(), cloud)
    # Templates of rounded shapes and of the round cone include a few points inside; none may be outside.
    assert (d < 2e-3).all() and (np.abs(d) < 2e-3).mean() > 0.15
    centre, radius = local_bound(kind, padded, rounding)
    assert np.linalg.norm(cloud - centre, axis=1).max() <= radius + 1e-6


@pytest.mark.parametrize("name", SHAPES)
def test_a_stretched_shape_keeps_its_surface_and_stays_safe(name: str) -> None:
    rows = single(name)
    stretch, shift = np.diag([1.3, 0.8, 0.6]), np.array([0.1, 0.2, -0.1])
    moved = transformed(rows, stretch, shift)
    p = points(3000)
    there = p @ stretch.T + shift
    before, after = distances(rows, p), distances(moved, there)
    clear = np.abs(before) > 1e-4
    assert ((before < 0) == (after < 0))[clear].all()
    assert (np.abs(after) <= np.abs(before) * 1.3 + 1e-5).all()


def test_operations() -> None:
    p = points(1500)
    a = np.linalg.norm(p, axis=1) - 0.8
    c = np.linalg.norm(p - [0.5, 0, 0], axis=1) - 0.6
    cases = {"cut": np.maximum(a, -c), "keep": np.maximum(a, c), "decal": a}
    for how, truth in cases.items():
        b = builder()
        b.sphere((0, 0, 0), 0.8)
        b.sphere((0.5, 0, 0), 0.6, **{how: True})
        np.testing.assert_allclose(distances(b.primitives(), p), truth, atol=3e-6, err_msg=how)
    b = builder()
    b.sphere((0, 0, 0), 0.8)
    b.sphere((0.5, 0, 0), 0.6, blend=0.2)
    d = distances(b.primitives(), p)
    assert (d <= np.minimum(a, c) + 1e-5).all() and (d >= np.minimum(a, c) - 0.05 - 1e-5).all()
    assert (d < np.minimum(a, c) - 0.01).any()


def test_a_cut_acts_in_its_group_only() -> None:
    b = builder()
    b.sphere((0, 0, 0), 0.8)
    b.sphere((0, 0, 0), 0.7, cut=True)
    b.group()
    b.sphere((0, 0, 0), 0.3)
    d = distances(b.primitives(), np.array([[0.0, 0, 0], [0.5, 0, 0], [0.75, 0, 0]]))
    assert d[0] < 0 < d[1] and d[2] < 0
