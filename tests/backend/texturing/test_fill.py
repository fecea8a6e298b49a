# SPDX-License-Identifier: GPL-3.0-or-later
"""Continuing colours over a surface: smooth, in space, and never through a thin wall."""

import numpy as np
import pytest

from backend.geometry.bake import bake
from backend.texturing.fill import fill
from tests.backend.texturing.shapes import sphere_with_uvs, wavy


def test_a_hole_is_closed_smoothly():
    baked = bake(sphere_with_uvs(), lambda points: 0.5 + 0.3 * points, 128)
    texels = baked.texels
    truth = baked.image[texels.rows, texels.columns]
    hole = texels.points[:, 2] > 0.6
    values = truth.copy()
    values[hole] = 0.0
    filled = fill(texels.points, texels.normals, values, ~hole)
    assert np.array_equal(filled[~hole], truth[~hole])
    assert np.abs(filled[hole] - truth[hole]).max() < 0.12  # a cap of a linear function is almost flat
    assert filled[hole].min() >= truth[~hole].min() - 1e-3 and filled[hole].max() <= truth[~hole].max() + 1e-3


def test_large_holes_are_filled_through_a_part_of_them(monkeypatch):
    monkeypatch.setattr("backend.texturing.fill.SOLVED", 200)
    baked = bake(sphere_with_uvs(), wavy, 128)
    texels = baked.texels
    truth = baked.image[texels.rows, texels.columns]
    hole = texels.points[:, 2] > 0.5
    assert hole.sum() > 400
    filled = fill(texels.points, texels.normals, np.where(hole[:, None], 9.0, truth).astype(np.float32), ~hole)
    assert filled[hole].max() <= truth.max() + 1e-3


def test_the_far_side_of_a_thin_wall_is_no_neighbour():
    axis = np.linspace(-1, 1, 30)
    flat = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    front = np.concatenate([flat, np.zeros((len(flat), 1))], 1)
    points = np.concatenate([front, front + [0, 0, 0.01]]).astype(np.float32)
    normals = np.repeat([[0, 0, -1.0], [0, 0, 1.0]], len(flat), 0).astype(np.float32)
    values = np.repeat([[1.0, 0, 0], [0, 0, 1.0]], len(flat), 0).astype(np.float32)
    hole = (np.abs(points[:, :2]).max(1) < 0.4) & (normals[:, 2] > 0)
    filled = fill(points, normals, np.where(hole[:, None], 0.0, values).astype(np.float32), ~hole)
    assert filled[hole][:, 2].min() > 0.95


def test_nothing_known_is_an_error():
    points = np.zeros((3, 3), np.float32)
    with pytest.raises(ValueError, match="nothing to continue"):
        fill(points, points, points, np.zeros(3, bool))
