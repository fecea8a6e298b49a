# SPDX-License-Identifier: GPL-3.0-or-later
"""Where views stand: given cameras keep their view of the object, and chosen ones see what matters first."""

import math

import numpy as np
import pytest
import torch

from backend.geometry.mesh import Mesh
from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser
from backend.texturing.rig import RADIUS, Frame, coverage, ring
from tests.backend.texturing.shapes import sphere


def test_a_frame_brings_any_object_before_the_default_cameras():
    vertices = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * 7 + 100
    framed = Frame.of(vertices).vertices(vertices)
    np.testing.assert_allclose(framed.max(0) + framed.min(0), 0, atol=1e-4)
    assert np.linalg.norm(framed, axis=1).max() == pytest.approx(RADIUS, rel=1e-5)
    with pytest.raises(ValueError, match="one place"):
        Frame.of(np.ones((4, 3), np.float32))


def test_given_cameras_see_the_framed_object_as_they_saw_it():
    vertices = np.array([[9, 19, 29], [13, 21, 31], [10, 22, 33]], np.float32)
    frame = Frame.of(vertices)
    own = orbit_degrees([30, 200], [20.0, -40.0])
    pose = own.camera_to_world.clone()
    pose[:, :3, 3] = pose[:, :3, 3] / frame.scale + torch.from_numpy(frame.centre).float()
    framed = frame.cameras(pose.numpy(), np.full(2, math.radians(40), np.float32))
    torch.testing.assert_close(framed.camera_to_world, own.camera_to_world, atol=1e-4, rtol=0)
    turn = torch.remainder(framed.azimuth - own.azimuth + math.pi, 2 * math.pi) - math.pi
    torch.testing.assert_close(turn, torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(framed.elevation, own.elevation, atol=1e-4, rtol=0)
    torch.testing.assert_close(framed.zoom, torch.ones(2), atol=1e-4, rtol=0)


def test_a_ring_begins_in_front_and_ends_above():
    cameras = ring(4)
    assert len(cameras) == 5 and float(cameras.azimuth[0]) == 0 and len(ring(4, above=0)) == 4
    assert cameras.elevation.rad2deg().round().tolist() == [10, 35, 10, 35, 60]


def test_coverage_begins_in_front_and_sees_all_around():
    vertices, faces = sphere(0.9, 24, 12)
    mesh = Mesh(vertices.numpy(), faces.numpy())
    cameras = coverage(mesh, 6, WarpRasteriser(), torch.device("cpu"))
    assert len(cameras) == 6 and float(cameras.azimuth[0]) == 0
    forward = -cameras.forward
    # Six views of a ball: no two within 45 degrees, and every direction within 75 degrees of one.
    between = (forward @ forward.T).fill_diagonal_(-1)
    assert float(between.max()) < math.cos(math.radians(45))
    normals = torch.nn.functional.normalize(vertices, dim=-1)
    assert float((normals @ forward.T).amax(1).min()) > math.cos(math.radians(75))


def test_coverage_stops_when_all_is_seen_and_keeps_to_its_elevations():
    square = np.array([[-0.6, 0, -0.6], [0.6, 0, -0.6], [0.6, 0, 0.6], [-0.6, 0, 0.6]], np.float32)
    flat = Mesh(square, np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    assert len(coverage(flat, 10, WarpRasteriser(), torch.device("cpu"))) <= 2
    vertices, faces = sphere(0.9, 24, 12)
    low = coverage(Mesh(vertices.numpy(), faces.numpy()), 8, WarpRasteriser(), torch.device("cpu"), (-10.0, 40.0))
    degrees = low.elevation.rad2deg()
    assert float(degrees.min()) > -10.5 and float(degrees.max()) < 40.5
