# SPDX-License-Identifier: GPL-3.0-or-later
"""The 395 numbers that a prior is told, and the pictures that it sees."""

from __future__ import annotations

import math

import torch

from backend.embedded.training.conditioning import class_numbers, pictures, sample_lights, view_numbers


def test_view_numbers_follow_the_written_layout() -> None:
    azimuth, elevation, zoom = torch.tensor([0.7]), torch.tensor([-0.2]), torch.tensor([0.8])
    light = torch.tensor([[0.6, 0.0, 0.8]])
    expected = [
        math.sin(0.7), math.cos(0.7), math.sin(1.4), math.cos(1.4), math.sin(-0.2), math.cos(-0.2), math.log(0.8),
        1.0, 0.6, 0.0, 0.8,
    ]  # fmt: skip
    assert torch.allclose(view_numbers(azimuth, elevation, zoom, light)[0], torch.tensor(expected), atol=1e-6)
    unlit = view_numbers(azimuth, elevation, zoom)[0]
    assert unlit[7:].tolist() == [0, 0, 0, 0]


def test_dropping_text_keeps_the_camera() -> None:
    views, sentence = torch.randn(3, 11), torch.randn(3, 384)
    labels = class_numbers(views, sentence, torch.tensor([True, False, True]))
    assert labels.shape == (3, 395)
    assert torch.equal(labels[:, :11], views)
    assert labels[0, 11:].abs().sum() == 0 and torch.equal(labels[1, 11:], sentence[1])


def test_lights_are_unit_vectors_within_sixty_degrees_of_the_viewer() -> None:
    light = sample_lights(4000, 0.35, torch.Generator().manual_seed(0), torch.device("cpu"))
    lit = light.norm(dim=-1) > 0.5
    assert abs(float(lit.float().mean()) - 0.35) < 0.03
    assert torch.allclose(light[lit].norm(dim=-1), torch.ones(int(lit.sum())), atol=1e-5)
    assert float(light[lit][:, 2].min()) >= 0.5 - 1e-6
    assert light[~lit].abs().sum() == 0


def test_pictures_are_over_grey_with_alpha_and_shaded_only_where_lit() -> None:
    albedo = torch.zeros(2, 2, 2, 4, dtype=torch.uint8)
    albedo[:, 0, 0] = torch.tensor([255, 128, 0, 255], dtype=torch.uint8)
    normals = torch.zeros(2, 2, 2, 3, dtype=torch.int8)
    normals[:, 0, 0, 0] = 127  # facing right, across the light: only the ambient 0.4 is left
    light = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    seen = pictures(albedo, normals, light)
    assert seen.shape == (2, 4, 2, 2)
    assert torch.allclose(seen[0, :, 0, 0], torch.tensor([1.0, 128 / 127.5 - 1, -1.0, 1.0]), atol=1e-6)
    encoded = 1.055 * 0.4 ** (1 / 2.4) - 0.055
    assert abs(float(seen[1, 0, 0, 0]) - (2 * encoded - 1)) < 1e-5
    assert torch.allclose(seen[:, :, 1, 1], torch.tensor([0.0, 0.0, 0.0, -1.0]))
