# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh and the traced truth must look the same from the same camera, or every picture measure is off."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from backend.render.cameras import orbit_degrees
from tests.benchmarks import measures
from tests.benchmarks.subjects import RADIUS, Subject, from_result, normalised, pictures

torch.set_num_threads(1)

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
# Two triangles a side, counter-clockwise from outside; the first two make the front (-Y), the next two the back (+Y).
SIDES = ((0, 4, 5, 1), (6, 2, 3, 7), (4, 6, 7, 5), (2, 0, 1, 3), (1, 5, 7, 3), (2, 6, 4, 0))
FACES = np.array([[s[0], s[1], s[2]] for s in SIDES for _ in "a"] + [[s[0], s[2], s[3]] for s in SIDES], np.int32)


def box(size: tuple[float, float, float]) -> Subject:
    """A box, a texture column for each side: red front, blue back, grey left and right, green top and bottom."""
    order = [index for side in range(6) for index in (side, side + 6)]
    colours = np.array([[1, 0, 0], [0, 0, 1], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 1, 0], [0, 1, 0]], np.float32)
    texture = np.repeat(np.repeat(colours[None], 4, axis=0), 4, axis=1)
    uvs = np.concatenate([np.tile([[(side + 0.5) / 6, 0.5]], (3, 1)) for side in range(6) for _ in "ab"])
    vertices = normalised(CORNERS * np.array(size, np.float32) + 5.0)
    return Subject(vertices, FACES[order], uvs=uvs.astype(np.float32), texture=texture)


def test_normalising_centres_the_box_and_sets_the_sphere():
    vertices = normalised(np.array([[2, 0, 0], [6, 1, 0], [3, 3, 9]], np.float32))
    np.testing.assert_allclose(vertices.min(axis=0) + vertices.max(axis=0), 0.0, atol=1e-6)
    assert np.linalg.norm(vertices, axis=1).max() == pytest.approx(RADIUS, abs=1e-6)
    with pytest.raises(ValueError, match="one place"):
        normalised(np.ones((4, 3), np.float32))


def test_each_side_shows_its_colour_to_its_camera():
    seen = pictures(box((1, 1, 1)), orbit_degrees([0.0, 90.0, 180.0, 270.0], 0.0, 32))
    middle = seen[:, 16, 16]
    np.testing.assert_allclose(middle, [[1, 0, 0, 1], [0.5, 0.5, 0.5, 1], [0, 0, 1, 1], [0.5, 0.5, 0.5, 1]], atol=1e-4)
    assert seen[:, 0, 0, 3].max() == 0.0


def test_light_darkens_what_turns_away_and_leaves_unlit_rows_alone():
    subject, cameras = box((1, 1, 1)), orbit_degrees([90.0, 90.0], 0.0, 32)
    lit = pictures(subject, cameras, torch.tensor([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]))
    assert lit[0, 16, 16, 0] == pytest.approx(0.5, abs=1e-4)
    assert lit[1, 16, 16, 0] == pytest.approx(0.34, abs=0.02)  # 40 % ambient of a linear 0.214, encoded


def test_a_result_is_read_with_its_texture():
    subject = box((1, 1, 1))
    png = io.BytesIO()
    Image.fromarray((subject.texture * 255).astype(np.uint8)).save(png, "PNG")
    arrays = {
        "vertices": subject.vertices + 3.0,
        "faces": subject.faces,
        "uvs": subject.uvs,
        "base_colour": np.frombuffer(png.getvalue(), np.uint8),
    }
    again = from_result(arrays)
    cameras = orbit_degrees([0.0, 120.0], 20.0, 24)
    np.testing.assert_allclose(pictures(again, cameras), pictures(subject, cameras), atol=0.01)


def test_a_subject_needs_exactly_one_colouring():
    with pytest.raises(ValueError, match="either"):
        Subject(CORNERS, FACES)


def test_the_mesh_and_the_traced_truth_look_alike():
    from backend.embedded.objects import held_out_prompts, render
    from backend.embedded.objects.meshing import mesh

    _, thing = held_out_prompts(1, 5)[0]
    turns = np.radians(np.arange(12) * 30.0)
    albedo, _ = render([thing] * 12, turns, np.full(12, np.radians(20.0)), np.ones(12), 48)
    truth = albedo.numpy().astype(np.float32) / 255.0
    vertices, faces, colours = mesh(thing, 64)
    subject = Subject(normalised(vertices), faces, colours=colours)
    seen = pictures(subject, orbit_degrees(list(np.degrees(turns)), 20.0, 48))
    assert measures.picture_distance(seen, truth).diagonal().max() < 0.08
    assert measures.colour_error(seen, truth).common > 0.9
