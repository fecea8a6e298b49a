# SPDX-License-Identifier: GPL-3.0-or-later
"""New texels are made to meet the old ones along their rim, and nothing else changes."""

import numpy as np
import pytest
import trimesh

from backend.geometry.atlas_space import place_charts
from backend.geometry.bake import bake, sample, seam_samples, to_bytes
from backend.geometry.mesh import Mesh
from backend.geometry.unwrap import unwrap
from backend.texturing.patch import laid, patch_texels
from backend.texturing.rim import meet_rim
from tests.backend.texturing.shapes import wavy

SIZE = 192


@pytest.fixture(scope="module")
def patched():
    """(mesh, fresh faces, exact texture, the patch's texels, what is taken): a ball with a new chart at its front."""
    shape = trimesh.creation.icosphere(4)
    mesh, _ = unwrap(Mesh(shape.vertices, shape.faces), texture_size=SIZE)
    fresh = mesh.vertices[mesh.faces].mean(1)[:, 1] < -0.85
    old = mesh.uvs.reshape(-1, 3, 2)
    placed = place_charts(mesh, old, fresh, old[fresh], SIZE, SIZE)
    mesh = mesh.with_uvs(placed.uvs.reshape(-1, 2))
    side = max(placed.width, placed.height)  # bakes are square: the picture is the lower left corner of one
    square = mesh.with_uvs((mesh.uvs * np.array([placed.width, placed.height]) / side).astype(np.float32))
    picture = to_bytes(bake(square, wavy, side).image)[side - placed.height :, : placed.width]
    return mesh, fresh, picture, patch_texels(mesh, fresh, placed.width, placed.height), placed.taken


def border_gap(mesh, fresh, picture):
    one, two, corners = seam_samples(mesh)
    border = fresh[corners // 3].any(1)
    return float(np.sqrt(((sample(picture, one[border]) - sample(picture, two[border])) ** 2).mean()) / 255)


def test_a_step_at_the_rim_is_blended_within_a_few_texels(patched):
    mesh, fresh, picture, patch, taken = patched
    off = picture[patch.rows, patch.columns].astype(int) + np.array([20, -15, 10])
    stepped = laid(picture, patch, off.clip(0, 255).astype(np.uint8), taken)
    met = meet_rim(mesh, fresh, stepped, patch, taken)
    assert border_gap(mesh, fresh, met) < 0.15 * border_gap(mesh, fresh, stepped)
    kept = patch_texels(mesh, ~fresh, picture.shape[1], picture.shape[0])
    assert (met[kept.rows, kept.columns] == picture[kept.rows, kept.columns]).all()
    # In the middle nothing has happened.
    away = np.linalg.norm(patch.texels.points - np.array([0, -1, 0]), axis=1)
    middle = away < 0.1
    assert (met[patch.rows, patch.columns] == stepped[patch.rows, patch.columns])[middle].all() and middle.sum() > 20


def test_what_fits_hardly_changes_and_fits_better(patched):
    mesh, fresh, picture, patch, taken = patched
    met = meet_rim(mesh, fresh, picture, patch, taken)
    change = np.abs(met[patch.rows, patch.columns].astype(int) - picture[patch.rows, patch.columns])
    assert change.max() <= 6 and border_gap(mesh, fresh, met) < border_gap(mesh, fresh, picture)


def test_alpha_and_a_patch_without_a_rim(patched):
    mesh, fresh, picture, patch, taken = patched
    four = np.concatenate([picture, np.full((*picture.shape[:2], 1), 90, np.uint8)], -1)
    assert (meet_rim(mesh, fresh, four, patch, taken)[..., 3] == 90).all()
    alone = Mesh(mesh.vertices, mesh.faces[fresh], mesh.uvs.reshape(-1, 3, 2)[fresh].reshape(-1, 2))
    all_of_it = np.ones(len(alone.faces), bool)
    own = patch_texels(alone, all_of_it, picture.shape[1], picture.shape[0])
    assert (meet_rim(alone, all_of_it, picture, own, np.zeros_like(taken)) == picture).all()
