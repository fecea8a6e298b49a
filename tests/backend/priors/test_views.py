# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras and lights as numbers, words and matrices."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from backend.embedded.training.conditioning import view_numbers
from backend.priors.views import ViewCondition


def degrees(azimuth: list[float], elevation: list[float]) -> ViewCondition:
    return ViewCondition.albedo(torch.tensor(azimuth).deg2rad(), torch.tensor(elevation).deg2rad())


def test_words_follow_the_thresholds() -> None:
    view = degrees([0, 44, 46, 90, 134, 136, 180, -180, -136, -90, -44, 405, 720, 10], [0] * 13 + [61])
    assert view.words() == ["front", "front", "side", "side", "side", "back", "back", "back", "back", "side", "front",
                            "side", "front", "overhead"]


def test_azimuth_45_from_both_sides() -> None:
    assert degrees([44.9, 45.1, 314.9, 315.1], [0] * 4).words() == ["front", "side", "side", "front"]


def test_numbers_are_those_of_training() -> None:
    generator = torch.Generator().manual_seed(0)
    azimuth, elevation, zoom = (torch.rand(5, generator=generator) + 0.1 for _ in range(3))
    light = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator), dim=-1)
    torch.testing.assert_close(ViewCondition.shaded(azimuth, elevation, zoom, light * 3).numbers(),
                               view_numbers(azimuth, elevation, zoom, light))
    torch.testing.assert_close(ViewCondition.albedo(azimuth, elevation, zoom).numbers(),
                               view_numbers(azimuth, elevation, zoom))


def test_light_of_an_unlit_view_is_silent() -> None:
    one = torch.zeros(1)
    view = ViewCondition(one, one, one + 1, one, torch.tensor([[0.0, 0.0, 1.0]]))
    assert view.numbers()[0].tolist() == [0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0]


def test_camera_matrices_look_at_the_origin() -> None:
    """Azimuth 0 stands at -Y, +90 degrees at +X; the camera's -Z axis points to the origin, +Y up."""
    view = degrees([0, 90, 200], [0, 0, 30])
    matrix = view.camera_matrices().view(-1, 4, 4)
    torch.testing.assert_close(matrix[0, :3, 3], torch.tensor([0.0, -1.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(matrix[1, :3, 3], torch.tensor([1.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    rotation, position = matrix[:, :3, :3], matrix[:, :3, 3]
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(3, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(3))
    torch.testing.assert_close(-rotation[:, :, 2], -position, atol=1e-6, rtol=0)
    assert (rotation[:, 2, 1] > 0).all()  # up is up
    assert matrix[2, 2, 3] == pytest.approx(math.sin(math.radians(30)), abs=1e-6)
    assert (matrix[:, 3] == torch.tensor([0.0, 0.0, 0.0, 1.0])).all()


def test_from_cameras_and_batches() -> None:
    cameras = SimpleNamespace(azimuth=torch.zeros(2, dtype=torch.float64), elevation=torch.ones(2), zoom=torch.ones(2))
    view = ViewCondition.from_cameras(cameras)
    assert len(view) == 2 and view.azimuth.dtype == torch.float32
    assert len(view.repeat(3)) == 6 and len(view[1:]) == 1
    turned = ViewCondition.turntable(4)
    assert turned.words() == ["front", "side", "back", "side"]
    torch.testing.assert_close(turned.repeat(2).azimuth, torch.cat([turned.azimuth, turned.azimuth]))


def test_wrong_shapes_are_refused() -> None:
    one = torch.zeros(2)
    with pytest.raises(ValueError, match="light"):
        ViewCondition(one, one, one, one, torch.zeros(3, 3))
    with pytest.raises(ValueError, match="lit"):
        ViewCondition(one, one, one, torch.zeros(2, dtype=torch.bool), torch.zeros(2, 3))
