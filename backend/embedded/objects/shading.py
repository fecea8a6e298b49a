# SPDX-License-Identifier: GPL-3.0-or-later
"""Light on traced pictures, and the picture as the prior sees it. The formula is the one the prior's camera vector
tells of (lit, light_x, light_y, light_z); distillation shades its fields the same way.
"""

from __future__ import annotations

import torch

AMBIENT = 0.4  # share of light that comes from everywhere


def srgb_to_linear(x: torch.Tensor) -> torch.Tensor:
    """IEC 61966-2-1 decoding, 0..1 to 0..1."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp(min=0.0) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x: torch.Tensor) -> torch.Tensor:
    """IEC 61966-2-1 encoding, 0..1 to 0..1."""
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def shade(albedo: torch.Tensor, normal: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    """Lit pictures from `render`'s two results.

    albedo: (B, H, W, 4) uint8 sRGB with straight alpha. normal: (B, H, W, 3) int8, camera frame. light: (B, 3) unit
    vectors towards the light in the camera's frame; a zero vector leaves its picture as plain albedo. Returns
    (B, H, W, 4) float32 sRGB in 0..1 with the same alpha:
    encode(linear(albedo) * (ambient + (1 - ambient) * max(0, n . l))).
    """
    colour = albedo.float() / 255.0
    light = light.to(device=albedo.device, dtype=torch.float32)
    lit = (light.square().sum(-1) > 0).view(-1, 1, 1, 1)
    cosine = torch.einsum("bhwc,bc->bhw", normal.float() / 127.0, light).clamp(min=0.0).unsqueeze(-1)
    shaded = linear_to_srgb(srgb_to_linear(colour[..., :3]) * (AMBIENT + (1 - AMBIENT) * cosine.clamp(max=1.0)))
    return torch.cat([torch.where(lit, shaded, colour[..., :3]), colour[..., 3:]], dim=-1)


def over_grey(rgba: torch.Tensor, grey: float = 0.5) -> torch.Tensor:
    """Straight-alpha float (B, H, W, 4) composited over mid grey, alpha kept as the fourth channel."""
    alpha = rgba[..., 3:]
    return torch.cat([rgba[..., :3] * alpha + grey * (1 - alpha), alpha], dim=-1)
