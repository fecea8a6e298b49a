# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning and simplifying: broken meshes come out closed and manifold, sound ones keep their shape."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.geometry.clean import clean, taubin
from backend.geometry.distance import distance_to_mesh
from backend.geometry.health import check
from backend.geometry.mesh import Mesh, signed_volume
from backend.geometry.simplify import simplify
from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid
from protocol.errors import EmptySurface

torch.set_num_threads(1)

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
CUBE_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]], np.int32,
)  # fmt: skip


def marched(function, resolution=32):
    grid = tetrahedral_grid(resolution)
    surface = marching_tetrahedra(grid, function(grid.vertices))
    return Mesh(surface.vertices.numpy(), surface.faces.numpy())


def ball(centre=(0.0, 0.0, 0.0), radius=0.6):
    return lambda p: (p - torch.tensor(centre)).norm(dim=1) - radius


def test_health_counts_each_defect_of_a_cube():
    sound = check(CUBE, CUBE_FACES)
    assert sound.sound and sound.volume == pytest.approx(1.0) and sound.euler == 2
    assert check(CUBE, CUBE_FACES[1:]).open_edges == 3
    assert check(CUBE, CUBE_FACES[:, ::-1]).inward_parts == 1
    flipped = CUBE_FACES.copy()
    flipped[0] = flipped[0][::-1]
    assert check(CUBE, flipped).mismatched_edges == 3
    fin = np.vstack((CUBE_FACES, [[0, 1, 7]]))
    assert check(CUBE, fin).crowded_edges == 2  # (0, 1) and the side's diagonal (1, 7)
    twice = np.vstack((CUBE_FACES, CUBE_FACES[:1]))
    assert check(CUBE, twice).duplicate_faces == 1
    # Two cubes that touch in one corner: closed, every edge has two faces, and the corner has two fans.
    touching = np.vstack((CUBE, CUBE + 1)), np.vstack((CUBE_FACES, np.where(CUBE_FACES == 0, 7, CUBE_FACES + 8)))
    pinched = check(*touching)
    assert pinched.closed and pinched.crowded_edges == 0 and pinched.crowded_vertices == 1 and not pinched.manifold


def test_a_sound_mesh_passes_through_with_its_shape():
    mesh = marched(ball())
    cleaned, report = clean(mesh)
    assert report.after.sound and report.holes_closed == 0 and report.vertices_split == 0
    assert report.after.volume == pytest.approx(report.before.volume, rel=1e-3)


def test_specks_and_cavities_go_and_two_large_parts_stay():
    def field(p):
        two = torch.minimum(ball((-0.5, 0, 0), 0.35)(p), ball((0.5, 0, 0), 0.35)(p))
        hollow = torch.maximum(two, -ball((0.5, 0, 0), 0.2)(p))
        return torch.minimum(hollow, ball((0, 0.8, 0.8), 0.09)(p))

    cleaned, report = clean(marched(field, 48), smallest_share=0.1)
    assert (report.after.parts, report.parts_dropped, report.cavities_dropped) == (2, 1, 1)
    assert report.after.sound
    one, _ = clean(marched(field, 48), most_parts=1)
    assert check(one.vertices, one.faces).parts == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.0, 0.3), st.booleans())
def test_a_vandalised_mesh_comes_out_closed_and_manifold(seed, share, weld):
    generator = np.random.default_rng(seed)
    mesh = marched(lambda p: torch.minimum(ball((0.2, 0, 0), 0.5)(p), ball((-0.3, 0.1, 0), 0.4)(p)), 16)
    faces = mesh.faces[generator.random(len(mesh.faces)) >= share]
    turned = generator.random(len(faces)) < share
    faces[turned] = faces[turned][:, ::-1]
    extra = generator.integers(0, len(mesh.vertices), (int(20 * share), 3))
    broken = Mesh(mesh.vertices, np.vstack((faces, extra, faces[:5])))
    cleaned, report = clean(broken, weld_distance=1e-3 if weld else 0.0, drop_cavities=False)
    assert report.after.closed and report.after.manifold
    assert report.after.mismatched_edges == 0 and report.after.inward_parts == 0
    smaller = simplify(cleaned, max(60, len(cleaned.faces) // 3))
    after = check(smaller.vertices, smaller.faces)
    assert after.closed and after.manifold


def test_a_soup_of_loose_triangles_is_welded_into_the_shape_it_was():
    mesh = marched(ball(), 24)
    generator = np.random.default_rng(0)
    soup = mesh.vertices[mesh.faces.ravel()] + generator.normal(0, 1e-6, (3 * len(mesh.faces), 3))
    faces = np.arange(len(soup)).reshape(-1, 3)
    cleaned, report = clean(Mesh(soup, faces), weld_distance=1e-4)
    assert report.after.sound and report.after.parts == 1 and report.after.euler == 2
    assert report.after.volume == pytest.approx(signed_volume(mesh.vertices, mesh.faces), rel=1e-3)


def test_nothing_left_is_an_error_with_advice():
    with pytest.raises(EmptySurface, match="nothing is left"):
        clean(Mesh(np.zeros((3, 3)), np.array([[0, 1, 1]])))


def test_smoothing_keeps_the_volume_and_calms_noise():
    mesh = marched(ball(), 32)
    noisy = mesh.vertices + np.random.default_rng(1).normal(0, 0.01, mesh.vertices.shape)
    smooth = taubin(noisy, mesh.faces, 10)

    def spread(p):
        return np.linalg.norm(p, axis=1).std()

    assert spread(smooth) < 0.5 * spread(noisy)
    assert signed_volume(smooth, mesh.faces) == pytest.approx(signed_volume(mesh.vertices, mesh.faces), rel=0.02)


@pytest.mark.parametrize("budget", [2000, 500, 60])
def test_simplifying_meets_the_budget_stays_sound_and_near(budget):
    mesh = marched(lambda p: ((p[:, :2].norm(dim=1) - 0.6).square() + p[:, 2].square()).sqrt() - 0.25, 40)
    small = simplify(mesh, budget)
    health = check(small.vertices, small.faces)
    assert health.sound and health.euler == 0
    assert budget * 0.9 - 10 <= len(small.faces) <= budget
    away, _, _ = distance_to_mesh(small.vertices, mesh.vertices, mesh.faces)
    assert away.max() < {2000: 0.01, 500: 0.02, 60: 0.12}[budget]


def test_simplifying_a_box_keeps_its_corners():
    mesh = marched(lambda p: (p.abs() - torch.tensor([0.5, 0.4, 0.3])).max(1)[0], 48)
    small = simplify(mesh, 300)
    assert check(small.vertices, small.faces).sound
    assert check(small.vertices, small.faces).volume == pytest.approx(0.48, rel=0.03)
    assert np.abs(small.vertices).max(0) == pytest.approx([0.5, 0.4, 0.3], abs=0.02)


def test_simplifying_twice_gives_the_same_bits():
    mesh = marched(ball(), 32)
    one, two = simplify(mesh, 400), simplify(mesh, 400)
    assert np.array_equal(one.vertices, two.vertices) and np.array_equal(one.faces, two.faces)
    with pytest.raises(ValueError, match="face budget"):
        simplify(mesh, 3)


def test_flat_parts_stay_even():
    mesh = marched(lambda p: (p.abs() - torch.tensor([0.7, 0.5, 0.2])).max(1)[0], 48)

    def longest(small):
        sides = np.linalg.norm(small.vertices[small.faces] - small.vertices[np.roll(small.faces, -1, 1)], axis=2)
        return sides.max() / sides.mean()

    plain, even = simplify(mesh, 900, even=0.0), simplify(mesh, 900)
    assert longest(even) < 2.2 and longest(even) < 0.8 * longest(plain)
    assert check(even.vertices, even.faces).sound and check(plain.vertices, plain.faces).sound
