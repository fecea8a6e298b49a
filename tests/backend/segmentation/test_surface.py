# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of meshes by clicks, against procedural objects whose parts are known, and votes of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.embedded.objects import ProceduralObject, Recipe, build
from backend.embedded.objects.meshing import mesh as surface_of
from backend.embedded.objects.model import NEW, OP
from backend.embedded.objects.tracer import distances
from backend.geometry.mesh import Mesh
from backend.segmentation.surface import lifted, loose_parts, piece_of_surface, whole_objects
from protocol.errors import BadRequest

INSIDE = np.array([True])


def with_known_part(kind, rows):
    """(mesh of a procedural thing, which faces belong to its primitives `rows`, how far each face is from the rest)."""
    thing = build(Recipe(kind, "blue"), np.random.default_rng(7))
    vertices, faces, _ = surface_of(thing, 64)
    rest = np.delete(thing.primitives, rows, axis=0)
    rest[0, OP] = NEW
    away = np.abs(distances(ProceduralObject(rest, thing.recipe).primitives, vertices[faces].mean(1)))
    return Mesh(vertices, faces), away > 0.012, away


def overlap(one, two):
    return (one & two).sum() / (one | two).sum()


@pytest.mark.parametrize(("kind", "rows", "least"), [
    ("mug", [2], 0.8), ("chair", [2], 0.9), ("rabbit", [2, 3], 0.85), ("dog", [10], 0.85),
])
def test_one_click_takes_a_handle_a_leg_an_ear_a_tail(kind, rows, least):
    mesh, part, away = with_known_part(kind, rows)
    click = np.array([int(away.argmax())])
    assert overlap(piece_of_surface(mesh, click, INSIDE), part) > least


def test_a_colour_sets_a_piece_apart_where_no_crease_does():
    shape = trimesh.creation.icosphere(4)
    mesh = Mesh(shape.vertices, shape.faces)
    middle = mesh.vertices[mesh.faces].mean(1)
    patch = middle[:, 0] > 0.7
    colours = np.where(patch[:, None], [0.9, 0.1, 0.1], [0.1, 0.2, 0.8])
    click = np.array([int(middle[:, 0].argmax())])
    assert (piece_of_surface(mesh, click, INSIDE, colours) == patch).all()
    two = np.array([click[0], int(middle[:, 0].argmin())])
    half = piece_of_surface(mesh, two, np.array([True, False]))
    assert 0.4 < half.mean() < 0.6  # nothing but the clicks tells the halves apart


def test_clicks_on_one_part_say_nothing_of_another():
    shape = trimesh.creation.icosphere(2)
    count = len(shape.faces)
    mesh = Mesh(np.concatenate((shape.vertices, shape.vertices + 5)),
                np.concatenate((shape.faces, shape.faces + len(shape.vertices))))
    parts = loose_parts(mesh)
    assert (parts[:count] == parts[0]).all() and (parts[count:] == parts[-1]).all() and parts[0] != parts[-1]
    found = piece_of_surface(mesh, np.array([3, count + 3]), np.array([True, False]))
    assert found[3] and not found[count:].any()
    assert (whole_objects(parts, np.array([3, count + 3]), np.array([True, False])) == (parts == parts[0])).all()
    assert (whole_objects(parts, np.array([3, -1]), np.array([True, False])) == (parts == parts[0])).all()
    with pytest.raises(BadRequest, match="same object"):
        whole_objects(parts, np.array([3, 4]), np.array([True, False]))
    with pytest.raises(BadRequest, match="same face"):
        piece_of_surface(mesh, np.array([3, 3]), np.array([True, False]))


def test_the_majority_decides_and_the_unseen_follow_the_nearest():
    shape = trimesh.creation.icosphere(3)
    mesh = Mesh(shape.vertices, shape.faces)
    middle = mesh.vertices[mesh.faces].mean(1)
    seen = np.flatnonzero(middle[:, 1] < 0)
    # Three pictures of one row: each shows every face of the front once; two of them agree on the right half.
    shown = np.tile(seen, (3, 1, 1))
    right = (middle[seen, 0] > 0)[None]
    masks = np.stack([right, right, ~right])
    chosen = lifted(mesh, shown, masks)
    assert (chosen[seen] == right[0]).all()
    back = middle[:, 1] > 0
    assert (chosen[back] == (middle[back, 0] > 0)).mean() > 0.9
    with pytest.raises(BadRequest, match="sees nothing"):
        lifted(mesh, np.full((1, 4, 4), -1), np.ones((1, 4, 4), bool))
