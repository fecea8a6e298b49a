# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking faces out: the surface closes over the hole as it was, and nothing else moves by a bit."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.geometry.fillet import with_fillet
from backend.geometry.health import check
from backend.geometry.mesh import face_normals
from backend.geometry.removal import NothingLeft, NothingToRemove, remove_faces
from backend.geometry.rims import TangledRim


def ball(subdivisions):
    shape = trimesh.creation.icosphere(subdivisions)
    return shape.vertices.astype(np.float32), shape.faces.astype(np.int32)


def grid(size=16, height=lambda x, y: 0.0 * x):
    """An open square sheet of 2 size^2 triangles over 0..1."""
    axis = np.linspace(0, 1, size + 1)
    x, y = (one.ravel() for one in np.meshgrid(axis, axis))
    i = (np.arange(size)[:, None] * (size + 1) + np.arange(size)).ravel()
    faces = np.concatenate([np.stack((i, i + 1, i + size + 2), 1), np.stack((i, i + size + 2, i + size + 1), 1)])
    return np.stack((x, y, height(x, y)), 1).astype(np.float32), faces.astype(np.int32)


def middles(vertices, faces):
    return vertices[faces].mean(1)


def untouched(before, after):
    """What is left has the old coordinates and indices, bit for bit."""
    vertices, faces, gone = before
    old = after.vertex_origin >= 0
    kept = after.face_origin >= 0
    assert (after.vertices[old] == vertices[after.vertex_origin[old]]).all()
    assert (after.face_origin[kept] == np.flatnonzero(~gone)).all()
    assert (after.vertex_origin[after.faces[kept]] == faces[~gone]).all()
    assert (np.diff(after.vertex_origin[old]) > 0).all() and old[: old.sum()].all()
    assert (after.patch[kept] == -1).all() and (after.patch[~kept] >= 0).all()


def bumpy_ball():
    """A unit sphere of 5,120 faces with a bump, which faces it covers, and where it was."""
    vertices, faces = ball(4)
    towards = np.array([0.0, -0.6, 0.8])
    rise = np.clip((vertices @ towards - 0.93) / 0.07, 0, 1) ** 2
    bumped = (vertices * (1 + 0.4 * rise)[:, None]).astype(np.float32)
    return bumped, faces, (rise[faces] > 0).any(1)


def test_a_bump_leaves_a_sphere():
    vertices, faces, gone = bumpy_ball()
    result = remove_faces(vertices, faces, gone)
    untouched((vertices, faces, gone), result)
    new = result.vertices[result.vertex_origin < 0]
    assert [one.closing for one in result.patches] == ["tangent"] and len(new) > 50
    assert np.abs(np.linalg.norm(new, axis=1) - 1).max() < 0.006  # the bump stood 0.4 high
    assert (np.einsum("ij,ij->i", face_normals(result.vertices, result.faces), middles(result.vertices, result.faces))
            > 0.97).all()
    assert check(result.vertices, result.faces).sound


def test_the_patch_is_as_fine_as_what_surrounds_it():
    vertices, faces, gone = bumpy_ball()
    result = remove_faces(vertices, faces, gone)
    side = [np.linalg.norm(np.diff(result.vertices[one][:, [0, 1, 2, 0]], axis=1), axis=2).mean()
            for one in (result.faces[result.patch < 0], result.faces[result.patch >= 0])]
    assert 0.7 < side[1] / side[0] < 1.4


def test_orders_of_continuity():
    vertices, faces, gone = bumpy_ball()
    error = {}
    for closing in ("flat", "tangent", "curved"):
        result = remove_faces(vertices, faces, gone, closing)
        assert result.patches[0].closing == closing
        new = result.vertices[result.vertex_origin < 0]
        error[closing] = np.abs(np.linalg.norm(new, axis=1) - 1).max()
    assert error["flat"] > 0.04 and error["tangent"] < 0.006 and error["curved"] < 0.02


def test_a_flat_surrounding_gets_a_flat_patch():
    vertices, faces = grid(height=lambda x, y: 0.3 * np.exp(-60 * ((x - 0.5) ** 2 + (y - 0.4) ** 2)))
    vertices[:, 2][vertices[:, 2] < 0.004] = 0
    gone = (vertices[faces][:, :, 2] > 0).any(1)
    for closing in ("auto", "flat", "tangent", "curved"):
        result = remove_faces(vertices, faces, gone, closing)
        assert np.abs(result.vertices[:, 2]).max() < 1e-6
        assert (face_normals(result.vertices, result.faces)[:, 2] > 0.999).all()


def test_a_tube_gets_a_cap_and_a_torus_loses_its_hole():
    shape = trimesh.creation.torus(1.0, 0.3, major_sections=48, minor_sections=24)
    vertices, faces = shape.vertices.astype(np.float32), shape.faces.astype(np.int32)
    angle = np.arctan2(*middles(vertices, faces)[:, [1, 0]].T)
    gone = np.abs(angle) < 0.4
    result = remove_faces(vertices, faces, gone)
    untouched((vertices, faces, gone), result)
    assert [one.closing for one in result.patches] == ["flat", "flat"]
    health = check(result.vertices, result.faces)
    assert health.sound and health.euler == 2 and check(vertices, faces).euler == 0


def test_a_hoop_goes_and_the_barrel_stays_whole():
    shape = trimesh.creation.cylinder(1.0, 3.0, sections=48).subdivide_to_size(0.15)
    vertices, faces = shape.vertices.astype(np.float32), shape.faces.astype(np.int32)
    side = np.abs(vertices[:, 2]) < 1.4
    hoop = side & (np.abs(vertices[:, 2]) < 0.2)
    vertices[hoop, :2] *= 1.15
    gone = hoop[faces].any(1)
    result = remove_faces(vertices, faces, gone)
    untouched((vertices, faces, gone), result)
    health = check(result.vertices, result.faces)
    assert len(result.patches) == 1 and health.parts == 1 and health.sound and health.euler == 2
    new = result.vertices[result.vertex_origin < 0]
    assert len(new) and np.abs(np.linalg.norm(new[:, :2], axis=1) - 1).max() < 0.03


def test_a_border_that_was_there_stays_open():
    vertices, faces = grid()
    place = middles(vertices, faces)
    inside = (np.abs(place[:, :2] - 0.5) < 0.2).all(1)
    result = remove_faces(vertices, faces, inside)
    assert result.open_rims == 0 and len(result.patches) == 1
    assert check(result.vertices, result.faces).open_edges == check(vertices, faces).open_edges == 64
    at_the_edge = place[:, 0] < 0.2
    result = remove_faces(vertices, faces, at_the_edge)
    assert result.open_rims == 1 and not result.patches


def test_a_loose_part_just_goes():
    vertices, faces = ball(2)
    both = np.concatenate((vertices, vertices + np.float32(3)))
    result = remove_faces(both, np.concatenate((faces, faces + len(vertices))), np.arange(2 * len(faces)) < len(faces))
    assert not result.patches and not result.open_rims and len(result.faces) == len(faces)
    assert (result.vertices == vertices + np.float32(3)).all() and (result.faces == faces).all()
    assert result.vertex_origin[0] == len(vertices)


def test_an_island_in_a_hole_is_kept_and_joined():
    vertices, faces = grid(20)
    away = np.linalg.norm(middles(vertices, faces)[:, :2] - 0.5, axis=1)
    gone = (away > 0.15) & (away < 0.35)
    result = remove_faces(vertices, faces, gone)
    untouched((vertices, faces, gone), result)
    health = check(result.vertices, result.faces)
    assert len(result.patches) == 1 and health.parts == 1 and health.manifold
    assert health.open_edges == 80 and health.euler == 1
    assert (face_normals(result.vertices, result.faces)[:, 2] > 0.99).all()


def test_holes_that_meet_in_a_vertex_keep_it_whole():
    vertices, faces = ball(3)
    at = 40
    ring = np.flatnonzero((faces == at).any(1))
    beside = {face: [other for other in ring if len(np.intersect1d(faces[face], faces[other])) == 2] for face in ring}
    gone = np.zeros(len(faces), bool)
    opposite = next(one for one in ring if one != ring[0] and one not in beside[ring[0]])
    gone[[ring[0], opposite]] = True
    result = remove_faces(vertices, faces, gone)
    assert len(result.patches) == 2
    assert check(result.vertices, result.faces).sound


def test_closing_a_single_face_that_is_left_is_no_double_face():
    vertices, faces = ball(0)
    gone = np.ones(20, bool)
    gone[3] = False
    health = check(*(lambda one: (one.vertices, one.faces))(remove_faces(vertices, faces, gone)))
    assert health.closed and health.manifold and health.duplicate_faces == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.01, 0.97), clumped=st.booleans())
def test_any_selection_of_a_closed_manifold_leaves_one(seed, share, clumped):
    rng = np.random.default_rng(seed)
    vertices, faces = ball(2)
    gone = rng.random(len(faces)) < share
    if clumped:
        gone = middles(vertices, faces) @ rng.normal(size=3) > rng.normal()
    if not gone.any() or gone.all():
        return
    result = remove_faces(vertices, faces, gone, rng.choice(["auto", "flat", "tangent", "curved"]))
    untouched((vertices, faces, gone), result)
    health = check(result.vertices, result.faces)
    assert health.closed and health.manifold and health.mismatched_edges == 0 and health.duplicate_faces == 0
    assert np.isfinite(result.vertices).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.02, 0.9))
def test_any_selection_of_an_open_sheet_keeps_its_border(seed, share):
    rng = np.random.default_rng(seed)
    vertices, faces = grid(10, lambda x, y: 0.2 * np.sin(5 * x) * np.cos(4 * y))
    gone = rng.random(len(faces)) < share
    if not gone.any() or gone.all():
        return
    result = remove_faces(vertices, faces, gone)
    untouched((vertices, faces, gone), result)
    health = check(result.vertices, result.faces)
    assert health.crowded_edges == 0 and health.mismatched_edges == 0
    assert health.manifold or result.open_rims  # what is left of a border may hang together by a corner
    before = {tuple(sorted(edge)) for edge in _border(faces)}
    sides = {tuple(sorted(edge)) for face in faces[gone] for edge in zip(face, np.roll(face, -1), strict=True)}
    for edge in _border(result.faces):
        one = tuple(sorted(result.vertex_origin[list(edge)]))
        assert one in before or (result.open_rims and one in sides)


def _border(faces):
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, uses = np.unique(edges, axis=0, return_counts=True)
    return unique[uses == 1].tolist()


def test_a_narrow_fillet_goes_with_the_piece_and_a_calm_rim_stays_as_drawn():
    vertices, faces = grid(40)
    away = np.linalg.norm(vertices[:, :2] - 0.5, axis=1)
    vertices[:, 2] = np.clip((0.28 - away) / 0.03, 0, 1) * 0.04  # a low post with slanted sides
    top = (vertices[faces][:, :, 2] > 0.039).all(1)
    grown = with_fillet(vertices.astype(np.float64), faces.astype(np.int64), top)
    slanted = np.ptp(vertices[faces][:, :, 2], axis=1) > 1e-6
    assert (grown[top]).all() and grown[slanted].all()
    assert np.abs(remove_faces(vertices, faces, grown).vertices[:, 2]).max() < 1e-6
    all_of_it = grown.copy()
    assert (with_fillet(vertices.astype(np.float64), faces.astype(np.int64), all_of_it) == all_of_it).all()


def test_wide_faces_beside_a_selection_are_never_taken():
    box = trimesh.creation.box()
    vertices, faces = box.vertices.astype(np.float64), box.faces.astype(np.int64)
    top = face_normals(vertices, faces)[:, 2] > 0.5
    assert (with_fillet(vertices, faces, top) == top).all()
    result = remove_faces(vertices, faces, top)
    assert result.patches[0].closing == "flat" and check(result.vertices, result.faces).sound
    assert check(result.vertices, result.faces).volume == pytest.approx(1.0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), flat=st.booleans())
def test_degenerate_and_folded_surroundings_never_throw_a_patch_far_away(seed, flat):
    rng = np.random.default_rng(seed)
    vertices, faces = ball(2)
    for face in rng.integers(0, len(faces), 20):
        vertices[faces[face, 0]] = vertices[faces[face, 1]]  # faces without area
    if flat:
        vertices[:, 2] = 0
    gone = middles(vertices, faces) @ rng.normal(size=3) > 0.5 * rng.normal()
    if not gone.any() or gone.all():
        return
    wider = with_fillet(vertices.astype(np.float64), faces.astype(np.int64), gone)
    result = remove_faces(vertices, faces, wider, rng.choice(["auto", "flat", "tangent", "curved"]))
    assert np.isfinite(result.vertices).all() and np.abs(result.vertices).max() < 4
    assert check(result.vertices, result.faces).closed


def test_what_cannot_be_done_is_said():
    vertices, faces = ball(1)
    none = np.zeros(len(faces), bool)
    with pytest.raises(NothingToRemove):
        remove_faces(vertices, faces, none)
    with pytest.raises(NothingLeft):
        remove_faces(vertices, faces, ~none)
    with pytest.raises(ValueError, match="unknown way"):
        remove_faces(vertices, faces, ~none, "somehow")
    one = none.copy()
    one[5] = True
    fin = np.concatenate((faces, [[faces[5, 0], faces[5, 1], (faces[5].max() + 7) % len(vertices)]])).astype(np.int32)
    with pytest.raises(TangledRim, match="more than two faces"):
        remove_faces(vertices, fin, np.r_[one, True])
    turned = faces.copy()
    turned[5] = turned[5][::-1]
    with pytest.raises(TangledRim, match="normals"):
        remove_faces(vertices, turned, one)


def test_a_fin_on_a_surface_goes_without_a_trace():
    vertices, faces = ball(1)
    far = np.concatenate((vertices, [[3, 3, 3]])).astype(np.float32)
    fin = np.concatenate((faces, [[faces[0, 0], faces[0, 1], len(vertices)]])).astype(np.int32)
    result = remove_faces(far, fin, np.arange(len(fin)) == len(faces))
    assert not result.patches and (result.faces == faces).all() and len(result.vertices) == len(vertices)
