# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a surface is unrolled with what surrounds it, across charts, and read back where it belongs."""

import numpy as np
import pytest
import trimesh

from backend.geometry.bake import bake, sample, to_bytes
from backend.geometry.mesh import Mesh
from backend.geometry.unwrap import unwrap
from backend.inpainting.unrolled import unroll
from tests.backend.texturing.shapes import wavy

SIZE = 256


def colour(points):
    return wavy(0.8 * points)


@pytest.fixture(scope="module", params=["ball", "drum", "box"])
def body(request):
    """(mesh, texture, faces of a part at its front): the box's part is near an edge."""
    shape = {"ball": lambda: trimesh.creation.icosphere(4), "drum": lambda: trimesh.creation.cylinder(0.8, 1.8, 48),
             "box": lambda: trimesh.creation.box((1.6, 1.6, 1.6))}[request.param]()
    while len(shape.faces) < 3000:
        shape = shape.subdivide()
    mesh, _ = unwrap(Mesh(shape.vertices, shape.faces), texture_size=SIZE)
    middle = mesh.vertices[mesh.faces].mean(1)
    at = np.array([0.45 if request.param == "box" else 0.0, middle[:, 1].min(), 0.0])
    return mesh, to_bytes(bake(mesh, colour, SIZE).image), np.linalg.norm(middle - at, axis=1) < 0.25


def unrolled(body):
    mesh, picture, part = body
    lies = np.zeros((int(part.sum()), 3, 2))
    lies[:, 1, 0] = lies[:, 2, 1] = 1.0
    area = np.linalg.norm(np.cross(*(mesh.vertices[mesh.faces[part]][:, i] - mesh.vertices[mesh.faces[part]][:, 0]
                                     for i in (1, 2))), axis=1).sum() / 2
    return unroll(mesh, picture, part, part, lies, 60.0), area


def test_the_part_has_its_size_and_its_surroundings_their_colours(body):
    mesh, picture, part = body
    flat, area = unrolled(body)
    assert flat is not None and flat.picture.shape[:2] == flat.hole.shape
    assert (flat.faces == np.flatnonzero(part)).all()
    assert flat.hole.sum() == pytest.approx(area * 60**2, rel=0.12)
    assert (~flat.hole & ~flat.beside).sum() > 3 * flat.hole.sum()
    # Known pixels beside the part have the colours of the points beside it, to the bit depth and the resampling.
    share = np.full((1, 3), 1 / 3)
    for face in np.flatnonzero(part)[::7]:
        place = flat.place(np.array([face]), share)
        point = mesh.vertices[mesh.faces[face]].mean(0, keepdims=True)
        row, column = int((1 - place[0, 1]) * flat.hole.shape[0]), int(place[0, 0] * flat.hole.shape[1])
        near = np.s_[max(row - 25, 0) : row + 26, max(column - 25, 0) : column + 26]
        known = (~flat.hole & ~flat.beside)[near]
        if known.any():
            gap = np.abs(flat.picture[near][known] - colour(point)).max(1).min()
            assert gap < 0.35  # at most 25 pixels, 0.4 of length, away


def test_what_is_read_back_is_what_was_filled_in(body):
    mesh, _, part = body
    flat, _ = unrolled(body)
    height, width = flat.hole.shape
    # Fill in the pixel's own place; neighbouring faces agree on their common corners.
    ramp = np.stack(np.meshgrid(np.arange(width) / width, np.arange(height) / height), -1)
    corner = np.eye(3)
    found = {}
    for face in flat.faces:
        for i in range(3):
            value = sample(ramp, flat.place(np.array([face]), corner[i : i + 1]))[0]
            found.setdefault(int(mesh.faces[face, i]), []).append(value)
    assert max(np.ptp(values, axis=0).max() for values in found.values()) < 1e-9


def test_what_cannot_be_unrolled_is_said(body):
    mesh, picture, _ = body
    all_but_one = np.ones(len(mesh.faces), bool)
    all_but_one[0] = False
    lies = np.random.default_rng(0).random((len(mesh.faces) - 1, 3, 2))
    assert unroll(mesh, picture, all_but_one, all_but_one, lies, 60.0) is None
