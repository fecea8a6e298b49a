# SPDX-License-Identifier: GPL-3.0-or-later
"""What the embedded priors are told about a picture beside its tokens: 395 numbers that enter as class embedding.

Eleven view numbers (azimuth, elevation, zoom, light) followed by the 384 numbers of the sentence vector. Dropping
the text for classifier-free guidance zeroes the sentence vector and never touches the camera. The same module turns
stored renders (albedo with straight alpha, camera-frame normals) into the pictures that a prior sees.
"""

from __future__ import annotations

import math

import torch

from ..objects.shading import over_grey, shade

VIEW_NUMBERS = 11
SENTENCE_NUMBERS = 384
CLASS_NUMBERS = VIEW_NUMBERS + SENTENCE_NUMBERS
LIGHT_CONE_COSINE = 0.5  # lights lie within 60 degrees of the direction towards the camera


def view_numbers(
    azimuth: torch.Tensor, elevation: torch.Tensor, zoom: torch.Tensor, light: torch.Tensor | None = None
) -> torch.Tensor:
    """(B, 11) view numbers from angles in radians (B,), zoom (B,) and, for shaded pictures, lights.

    `light` (B, 3) holds unit vectors towards the light in the camera frame (x right, y up, z towards the viewer); a
    zero row, or no tensor at all, means an albedo picture.
    """
    if light is None:
        light = torch.zeros(azimuth.shape[0], 3, dtype=azimuth.dtype, device=azimuth.device)
    lit = (light.square().sum(-1) > 0.25).to(azimuth.dtype)
    columns = [
        azimuth.sin(), azimuth.cos(), (2 * azimuth).sin(), (2 * azimuth).cos(),
        elevation.sin(), elevation.cos(), zoom.log(), lit,
    ]  # fmt: skip
    return torch.cat([torch.stack(columns, dim=-1), light], dim=-1)


def class_numbers(views: torch.Tensor, sentence: torch.Tensor, dropped: torch.Tensor | None = None) -> torch.Tensor:
    """(B, 395) class labels from `views` (B, 11) and `sentence` (B, 384); `dropped` rows lose the sentence."""
    if dropped is not None:
        sentence = torch.where(dropped[:, None], torch.zeros_like(sentence), sentence)
    return torch.cat([views, sentence], dim=-1)


def sample_lights(count: int, share: float, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    """(B, 3) unit lights in the camera frame, uniform on the 60-degree cap around the viewer; zero rows are unlit."""
    cosine = 1 - (1 - LIGHT_CONE_COSINE) * torch.rand(count, generator=generator, device=device)
    turn = 2 * math.pi * torch.rand(count, generator=generator, device=device)
    sine = (1 - cosine.square()).sqrt()
    light = torch.stack([sine * turn.cos(), sine * turn.sin(), cosine], dim=-1)
    lit = torch.rand(count, generator=generator, device=device) < share
    return light * lit[:, None]


def pictures(albedo: torch.Tensor, normals: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    """What the prior sees, (B, 4, H, W) float32 in -1..1: colour over mid grey, and alpha.

    `albedo` (B, H, W, 4) uint8 with straight alpha, sRGB-encoded; `normals` (B, H, W, 3) int8, 127 = 1, camera frame;
    `light` (B, 3), rows of zeros for albedo pictures.
    """
    return over_grey(shade(albedo, normals, light)).permute(0, 3, 1, 2) * 2 - 1
