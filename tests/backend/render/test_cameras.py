# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras by the conventions of the house: where they stand, what they look at, and that rays and matrices agree."""

import math

import pytest
import torch

from backend.render.cameras import Cameras, direction, look_at, orbit, orbit_degrees


def test_where_cameras_stand(device):
    cameras = orbit_degrees([0, 90, 180, -90], 0.0).to(device)
    expected = torch.tensor([[0.0, -3, 0], [3, 0, 0], [0, 3, 0], [-3, 0, 0]], device=device)
    torch.testing.assert_close(cameras.positions, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(cameras.forward, -expected / 3, atol=1e-6, rtol=0)
    above = orbit_degrees([0], 30.0)
    assert float(above.positions[0, 2]) == pytest.approx(1.5, abs=1e-5)


def test_a_front_camera_sees_x_to_the_right_and_z_up():
    rotation = orbit_degrees([0], 0.0).camera_to_world[0, :3, :3]
    torch.testing.assert_close(rotation, torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), atol=1e-6, rtol=0)


def test_rays_go_through_pixel_centres(device):
    cameras = orbit(torch.tensor([0.0], device=device), torch.tensor([0.0]), size=(6, 4))
    origins, directions = cameras.rays()
    assert origins.shape == directions.shape == (1, 4, 6, 3)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones((1, 4, 6), device=device))
    corner = directions[0, 0, 0].cpu()
    tangent = math.tan(math.radians(20))
    expected = torch.tensor([-5 / 4 * tangent, 1.0, 3 / 4 * tangent])
    torch.testing.assert_close(corner, expected / expected.norm(), atol=1e-6, rtol=0)


def test_projection_and_rays_agree(device, generator):
    azimuth = torch.rand(5, generator=generator).to(device) * 6
    elevation = torch.rand(5, generator=generator).to(device)
    jitter = torch.randn((3, 5, 3), generator=generator).to(device) * 0.1
    cameras = orbit(
        azimuth, elevation, 2.0, 0.9, (7, 5), position_jitter=jitter[0], target=jitter[1], up_jitter=jitter[2]
    )
    origins, directions = cameras.rays()
    places = (origins + directions * 1.7).view(5, -1, 3)
    for view in range(5):
        clip = cameras.to_clip(places[view])[view]
        ndc = clip[:, :3] / clip[:, 3:]
        column, row = (ndc[:, 0] + 1) * 3.5 - 0.5, (1 - ndc[:, 1]) * 2.5 - 0.5
        torch.testing.assert_close(column.cpu(), torch.arange(7.0).repeat(5), atol=1e-3, rtol=0)
        torch.testing.assert_close(row.cpu(), torch.arange(5.0).repeat_interleave(7), atol=1e-3, rtol=0)
        assert bool((ndc[:, 2].abs() < 1).all())


def test_near_and_far_planes_are_the_ends_of_depth():
    cameras = orbit_degrees([0], 0.0)
    clip = cameras.to_clip(torch.tensor([[0.0, -3 + 0.05, 0], [0, 97.0, 0]]))[0]
    torch.testing.assert_close(clip[:, 2] / clip[:, 3], torch.tensor([-1.0, 1.0]), atol=1e-3, rtol=0)


def test_default_framing_is_zoom_one_and_shows_the_unit_object():
    cameras = orbit_degrees([0], 0.0)
    assert float(cameras.zoom) == pytest.approx(1.0, abs=1e-6)
    assert 3.0 * math.sin(math.radians(20)) == pytest.approx(1.026, abs=1e-3)
    closer = orbit(torch.zeros(1), torch.zeros(1), 1.5, math.radians(40))
    assert float(closer.zoom) == pytest.approx(0.5, abs=1e-6)


def test_straight_from_above_and_below(device):
    cameras = orbit_degrees([0, 0], [90.0, -90.0]).to(device)
    pose = cameras.camera_to_world
    assert bool(torch.isfinite(pose).all())
    torch.testing.assert_close(torch.linalg.det(pose[:, :3, :3]), torch.ones(2, device=device))
    torch.testing.assert_close(cameras.forward.cpu(), torch.tensor([[0.0, 0, -1], [0, 0, 1]]), atol=1e-5, rtol=0)


def test_world_to_camera_undoes_the_pose(generator):
    position = torch.randn((4, 3), generator=generator)
    pose = look_at(position, torch.randn((4, 3), generator=generator), torch.tensor([[0.0, 0, 1]]).expand(4, 3))
    ones = torch.ones(4)
    cameras = Cameras(pose, ones, 4, 4, ones, ones, ones)
    torch.testing.assert_close(cameras.world_to_camera() @ pose, torch.eye(4).expand(4, 4, 4), atol=1e-5, rtol=0)


def test_vectors_in_the_camera_frame():
    cameras = orbit_degrees([0, 90], 0.0)
    towards = direction(cameras.azimuth, cameras.elevation)
    torch.testing.assert_close(
        cameras.to_camera_frame(towards), torch.tensor([[0.0, 0, 1], [0, 0, 1]]), atol=1e-6, rtol=0
    )


def test_choosing_and_resizing():
    cameras = orbit_degrees([0, 90, 180], 10.0, size=16)
    assert len(cameras[1]) == 1 and float(cameras[-1].azimuth) == pytest.approx(math.pi, abs=1e-6)
    assert len(cameras[1:]) == 2 and len(cameras[torch.tensor([0, 2])]) == 2
    assert (cameras.resized(8, 4).width, cameras.resized(8, 4).height) == (8, 4)


def test_senseless_cameras_are_refused():
    zero = torch.zeros(1)
    with pytest.raises(ValueError, match="distance must be positive"):
        orbit(zero, zero, 0.0)
    with pytest.raises(ValueError, match="fov_y"):
        orbit(zero, zero, 3.0, 4.0)
    with pytest.raises(ValueError, match="azimuth must be"):
        orbit(torch.zeros(()), torch.zeros(()))
    with pytest.raises(ValueError, match="camera_to_world"):
        Cameras(torch.eye(4), zero, 4, 4, zero, zero, zero)
    with pytest.raises(ValueError, match="fov_y must be"):
        Cameras(torch.eye(4)[None], torch.zeros(2), 4, 4, zero, zero, zero)
    with pytest.raises(ValueError, match="image size"):
        orbit(zero, zero, size=0)
