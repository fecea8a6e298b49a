# SPDX-License-Identifier: GPL-3.0-or-later
"""Light: where it stands, and how it turns albedo and normals into the colour that a camera sees.

Colours go in and come out sRGB-encoded; the arithmetic in between is on linear values. Lights are directional, one a
view: shaded = encode(linear(albedo) * (ambient + (1 - ambient) * max(0, n.l))).
"""

from __future__ import annotations

import math

import torch

from backend.render.cameras import Cameras

AMBIENT = 0.4
"""Ambient part of the light that our embedded prior was trained with."""
MAX_ANGLE = math.pi / 3
"""Largest angle between light and camera direction (Magic3D, as threestudio's `magic3d` light strategy)."""


def srgb_to_linear(colour: torch.Tensor) -> torch.Tensor:
    """Linear values of sRGB-encoded ones in 0..1 (IEC 61966-2-1)."""
    return torch.where(colour <= 0.04045, colour / 12.92, ((colour.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(colour: torch.Tensor) -> torch.Tensor:
    """sRGB-encoded values of linear ones in 0..1 (IEC 61966-2-1)."""
    return torch.where(colour <= 0.0031308, colour * 12.92, 1.055 * colour.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def sample_lights(cameras: Cameras, generator: torch.Generator, max_angle: float = MAX_ANGLE) -> torch.Tensor:
    """Unit vectors (B, 3) in the world towards a light, at a uniform angle up to `max_angle` from the camera direction.

    threestudio draws the same angles (elevation pi/6 to pi/2 in the camera's frame); its light distance has no effect
    on a directional light.
    """
    count = len(cameras)
    draws = torch.rand((2, count), generator=generator, device=generator.device).to(cameras.device)
    angle, turn = draws[0] * max_angle, draws[1] * (2.0 * math.pi)
    frame = cameras.camera_to_world[:, :3, :3]
    local = torch.stack([angle.sin() * turn.cos(), angle.sin() * turn.sin(), angle.cos()], -1)
    return torch.einsum("bij,bj->bi", frame, local)


def shade(
    albedo: torch.Tensor,
    normal: torch.Tensor,
    light: torch.Tensor,
    ambient: torch.Tensor | float = AMBIENT,
    opacity: torch.Tensor | None = None,
) -> torch.Tensor:
    """Lambert shading (B, H, W, 3) of sRGB albedo (B, H, W, 3) with normals (B, H, W, 3) of any length.

    light: unit vectors towards the light (B, 3) in the normals' frame. ambient: 0..1, scalar or (B,). With `opacity`
    (B, H, W, 1) the albedo is premultiplied by it, and so is the result. Where the normal is zero only ambient light
    acts.
    """
    if opacity is not None:
        straight = albedo / opacity.clamp_min(1e-4)
        return shade(straight, normal, light, ambient) * opacity
    unit = normal / normal.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    facing = (unit * light[:, None, None, :]).sum(-1, keepdim=True).clamp_min(0.0)
    if isinstance(ambient, torch.Tensor) and ambient.ndim == 1:
        ambient = ambient[:, None, None, None]
    return linear_to_srgb(srgb_to_linear(albedo.clamp(0.0, 1.0)) * (ambient + (1.0 - ambient) * facing))
