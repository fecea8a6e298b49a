# SPDX-License-Identifier: GPL-3.0-or-later
"""What views share: colours survive the way to the surface and back, and noise lies on it."""

from dataclasses import replace

import pytest
import torch

from backend.priors.base import GREY
from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser
from backend.texturing.canvas import NothingSeen, make_canvas
from tests.backend.texturing.shapes import sphere


@pytest.fixture(scope="module")
def ball():
    """A sphere of radius 0.8: vertices, faces."""
    return sphere(0.8, 48, 24)


@pytest.fixture(scope="module")
def canvas(ball):
    return make_canvas(*ball, orbit_degrees([0, 20, 90, 180], 10.0, 32), WarpRasteriser())


def _place_colours(canvas, ball):
    """Colours that are a smooth function of the place, at the cells."""
    vertices, faces = ball
    points = (vertices[faces[canvas.face].long()] * canvas.barycentric[..., None]).sum(1)
    return canvas.average(0.5 + 0.4 * torch.sin(3 * points)), points


def test_colours_survive_a_round_trip(canvas, ball):
    colours, _ = _place_colours(canvas, ball)
    again = canvas.gather(canvas.show(colours), 4.0)
    assert float((again - colours).abs().mean()) < 0.02
    assert float((again - colours).abs().max()) < 0.25  # the worst are seen at a grazing angle only


def test_outside_the_outline_there_is_grey(canvas, ball):
    picture = canvas.show(_place_colours(canvas, ball)[0])
    outside = canvas.alpha[:, 0] == 0
    assert bool(outside.any())
    assert torch.equal(picture[:, :3].permute(0, 2, 3, 1)[outside], torch.full((int(outside.sum()), 3), GREY))
    assert torch.equal(picture[:, 3:], canvas.alpha)


def test_what_a_picture_does_not_show_stays_as_it_was(canvas):
    before = torch.rand(canvas.cells, 3, generator=torch.Generator().manual_seed(1))
    empty = torch.full((4, 4, 32, 32), GREY)
    empty[:, 3] = 0
    torch.testing.assert_close(canvas.gather(empty, 4.0, before), before, atol=1e-4, rtol=0)


def test_a_straight_view_outvotes_a_grazing_one(canvas):
    pictures = torch.zeros(4, 4, 32, 32)
    pictures[:, 3] = 1.0
    pictures[0, 0] = 1.0  # the front view says red, all others black
    colours = canvas.show(canvas.gather(pictures, 8.0))
    assert float(colours[0, 0, 16, 13]) > 0.6 and float(colours[0, 0, 16, 25]) < 0.2


def test_noise_is_white_and_the_same_at_the_same_place(canvas):
    noise = canvas.noise(64, 32, torch.Generator().manual_seed(0))
    assert noise.shape == (4, 64, 32, 32)
    per_pixel = noise.permute(0, 2, 3, 1)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(per_pixel.std(-1).mean()) == pytest.approx(1, abs=0.02)
    beside = (per_pixel[:, :, 1:] * per_pixel[:, :, :-1]).mean()
    assert abs(float(beside)) < 0.15
    # The front view and the one 20 degrees beside it look at the same cells in the middle.
    one, other = per_pixel[0, 16, 16], per_pixel[1]
    alike = (other * one).mean(-1)
    assert float(alike.max()) > 0.5
    row, column = divmod(int(alike.argmax()), 32)
    assert abs(row - 16) <= 2 and 9 <= column <= 15  # the point (0, -0.8, 0) lies left of the middle there
    assert float((per_pixel[3] * one).mean(-1).abs().max()) < 0.5  # the back has nothing to do with it


def test_the_two_sides_of_a_thin_wall_are_apart():
    vertices = torch.tensor([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0.5, 0, 0.5], [-0.5, 0, 0.5]])
    wall = torch.cat([vertices, vertices + torch.tensor([0.0, 0.005, 0.0])])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6]], dtype=torch.int32)
    canvas = make_canvas(wall, faces, orbit_degrees([0, 180], 0.0, 16), WarpRasteriser())
    pictures = torch.ones(2, 4, 16, 16)
    pictures[1, :3] = 0
    shown = canvas.show(canvas.gather(pictures, 1.0))
    assert float(shown[0, 0, 8, 8]) > 0.98 and float(shown[1, 0, 8, 8]) < 0.02


def test_a_camera_that_sees_nothing_is_told(ball):
    away = orbit_degrees([0], 0.0, 16)
    pose = away.camera_to_world.clone()
    pose[:, :3, 0], pose[:, :3, 2] = -pose[:, :3, 0], -pose[:, :3, 2]
    with pytest.raises(NothingSeen, match="no camera sees"):
        make_canvas(*ball, replace(away, camera_to_world=pose), WarpRasteriser())
