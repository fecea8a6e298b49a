# SPDX-License-Identifier: GPL-3.0-or-later
"""Segments follow creases, and every chart is opened into a disc, whatever its topology."""

import numpy as np
import pytest
import torch

from backend.geometry.charts import ChartLimits, absorb_crumbs, connected, face_graph, segment, split_charts
from backend.geometry.clean import clean
from backend.geometry.mesh import Mesh, face_normals
from backend.geometry.parameterise import circle, discs, flatten, folded_charts, singular_values
from backend.geometry.seams import chart_vertices, euler_numbers, slit_open
from backend.geometry.simplify import simplify
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid

torch.set_num_threads(1)


def marched(function, resolution=32, budget=1200):
    grid = tetrahedral_grid(resolution)
    surface = marching_tetrahedra(grid, function(grid.vertices))
    cleaned, _ = clean(Mesh(surface.vertices.numpy(), surface.faces.numpy()))
    mesh = simplify(cleaned, budget)
    return mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)


def box(p):
    return (p.abs() - torch.tensor([0.6, 0.5, 0.4])).max(1)[0]


def torus(p):
    return ((p[:, :2].norm(dim=1) - 0.6).square() + p[:, 2].square()).sqrt() - 0.25


def two_holes(p):
    left, right = p - torch.tensor([0.4, 0.0, 0.0]), p + torch.tensor([0.4, 0.0, 0.0])
    rings = [((q[:, :2].norm(dim=1) - 0.38).square() + q[:, 2].square()).sqrt() - 0.17 for q in (left, right)]
    return torch.minimum(*rings)


def is_disc(faces, graph, label, seam):
    _, corner = chart_vertices(faces, graph, label, seam)
    return (euler_numbers(graph, label, seam, corner) == 1).all()


def test_a_box_falls_into_its_sides():
    vertices, faces = marched(box)
    graph = face_graph(vertices, faces)
    label = segment(faces, graph, ChartLimits())
    assert 5 <= label.max() + 1 <= 9
    normals = face_normals(vertices, faces)
    for chart in range(label.max() + 1):
        # A side, or two that a rounded edge joins into one that unrolls: never more than a right angle.
        mine = normals[label == chart]
        assert np.median(mine @ mine.mean(0) / np.linalg.norm(mine.mean(0))) > 0.7


@pytest.mark.parametrize("shape", [torus, two_holes, box])
@pytest.mark.parametrize("charts", ["one", "halves", "strips"])
def test_every_chart_becomes_a_disc(shape, charts):
    vertices, faces = marched(shape)
    graph = face_graph(vertices, faces)
    middle = vertices[faces].mean(1)
    label = {
        "one": np.zeros(len(faces), np.int64),
        "halves": (middle[:, 2] > 0).astype(np.int64),
        "strips": np.floor(middle[:, 0] * 4).astype(np.int64) + 4,
    }[charts]
    label = connected(graph, label)
    opened, seam = slit_open(vertices, faces, graph, label)
    assert is_disc(faces, graph, opened, seam)
    # Handles and borders are slit; only a chart without a border may be halved.
    assert opened.max() - label.max() <= (1 if charts == "one" else 0)


def test_discs_are_flattened_without_folds_and_circles_never_fold():
    vertices, faces = marched(two_holes)
    graph = face_graph(vertices, faces)
    label, seam = slit_open(vertices, faces, graph, segment(faces, graph, ChartLimits()))
    _, corner = chart_vertices(faces, graph, label, seam)
    parts = discs(vertices, faces, corner, label)
    for uv in (flatten(parts), circle(parts)):
        assert np.isfinite(uv).all()
    assert not folded_charts(parts, flatten(parts)).any()
    larger, smaller = singular_values(parts, flatten(parts))
    assert np.median(larger) < 1.2 and np.median(smaller) > 0.8


def test_a_cylinder_unrolls_exactly():
    around, along = 24, 8
    angle = 2 * np.pi * np.arange(around) / around
    ring = np.stack((np.cos(angle), np.sin(angle)), 1)
    vertices = np.concatenate([np.c_[ring, np.full(around, h)] for h in np.linspace(0, 2, along + 1)])
    quads = [
        (r * around + i, r * around + (i + 1) % around, (r + 1) * around + (i + 1) % around, (r + 1) * around + i)
        for r in range(along)
        for i in range(around)
    ]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int64)
    graph = face_graph(vertices, faces)
    label, seam = slit_open(vertices, faces, graph, np.zeros(len(faces), np.int64))
    assert label.max() == 0 and seam.sum() == along
    # The seam runs down the back, at +Y.
    assert vertices[graph.ends[seam]][:, :, 1].mean() > 0.9
    _, corner = chart_vertices(faces, graph, label, seam)
    parts = discs(vertices, faces, corner, label)
    larger, smaller = singular_values(parts, flatten(parts))
    assert larger.max() < 1.001 and smaller.min() > 0.999


def test_splitting_halves_and_crumbs_are_absorbed():
    vertices, faces = marched(box)
    graph = face_graph(vertices, faces)
    label = split_charts(vertices, faces, graph, np.zeros(len(faces), np.int64), np.array([0]))
    size = np.bincount(label)
    assert len(size) == 2 and size.min() > 0.3 * size.max()
    # Two single faces cut out of the larger half go back to it.
    inner = np.flatnonzero(label == size.argmax())
    crumbs = label.copy()
    crumbs[inner[[3, -3]]] = [2, 3]
    absorbed = absorb_crumbs(graph, crumbs, 3)
    assert absorbed.max() == 1 and (absorbed != label).sum() <= 2
