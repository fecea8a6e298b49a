# SPDX-License-Identifier: GPL-3.0-or-later
"""From stored renders to the pictures that the scorer learns on.

A judge of generated meshes must not mind what a generated mesh is allowed to be: a little soft, lumpy, faceted, off in
colour, in front of anything, lit in any way. So each stored render (albedo with coverage, normals) becomes a different
picture every time it is seen: lit or not, with bent normals, washed texture, a moved outline and a varied background.
Everything works on whole batches and draws from the generator that it is given.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from backend.embedded.objects.shading import linear_to_srgb, srgb_to_linear


class Chance:
    """Random numbers of one batch, each with the shape (B, 1, 1, 1), so that they scale whole pictures."""

    def __init__(self, count: int, generator: torch.Generator):
        self.count, self.generator = count, generator

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(self.count, channels, 1, 1, generator=self.generator)

    def hit(self, probability: float) -> Tensor:
        return torch.rand(self.count, 1, 1, 1, generator=self.generator) < probability

    def clouds(self, channels: int, cells: int, size: int) -> Tensor:
        """Smooth noise (B, channels, size, size) in about -1..1, with `cells` hills along an edge."""
        coarse = torch.randn(self.count, channels, cells, cells, generator=self.generator).clamp(-2, 2) / 2
        return functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)


def lit(colour: Tensor, normals: Tensor, light: Tensor, ambient: Tensor) -> Tensor:
    """Lambert's law on linear values: colour (B, 3, H, W) sRGB, normals (B, 3, H, W) unit, light (B, 3, 1, 1) unit."""
    facing = (normals * light).sum(dim=1, keepdim=True).clamp_min(0.0)
    return linear_to_srgb(srgb_to_linear(colour) * (ambient + (1.0 - ambient) * facing))


def lights(chance: Chance, widest: float) -> Tensor:
    """Unit vectors (B, 3, 1, 1) in the camera's frame, uniform on the cap of `widest` radians about the viewer."""
    cosine = chance.uniform(math.cos(widest), 1.0)
    turn = chance.uniform(0.0, 2.0 * math.pi)
    sine = (1.0 - cosine.square()).sqrt()
    return torch.cat([sine * turn.cos(), sine * turn.sin(), cosine], dim=1)


def bent(normals: Tensor, chance: Chance) -> Tensor:
    """Normals of a lumpy or faceted surface: some get smooth hills, some snap to few directions as low-poly does."""
    size = normals.shape[-1]
    hilly = normals + chance.uniform(0.0, 0.5) * chance.clouds(3, 8, size)
    normals = torch.where(chance.hit(0.5), hilly, normals)
    facets = chance.uniform(1.5, 4.0)
    snapped = (normals * facets).round() / facets
    normals = torch.where(chance.hit(0.25), snapped, normals)
    return functional.normalize(normals, dim=1, eps=1e-4)


def washed(colour: Tensor, alpha: Tensor, chance: Chance) -> Tensor:
    """Colours as a short optimisation leaves them: blurred inside the outline, blotched, a shade off."""
    size = colour.shape[-1]
    for smaller, share in ((size // 2, 0.3), (size // 3, 0.2)):
        together = functional.interpolate(
            torch.cat([colour * alpha, alpha], dim=1), size=(smaller, smaller), mode="area"
        )
        soft = functional.interpolate(together, size=(size, size), mode="bilinear", align_corners=False)
        soft = soft[:, :3] / soft[:, 3:].clamp_min(0.05)
        colour = torch.where(chance.hit(share), soft, colour)
    colour = colour + chance.uniform(0.0, 0.08) * chance.clouds(3, 6, size)
    grey = colour.mean(dim=1, keepdim=True)
    colour = grey + (colour - grey) * chance.uniform(0.8, 1.15)
    return (colour * chance.uniform(0.93, 1.07, 3) * chance.uniform(0.9, 1.1)).clamp(0.0, 1.0)


def moved(stack: Tensor, chance: Chance) -> Tensor:
    """The picture turned by up to 8 degrees, scaled, shifted and softly warped; what enters from outside is empty."""
    count, _, size, _ = stack.shape
    turn, scale = chance.uniform(-0.14, 0.14), chance.uniform(0.9, 1.18)
    shift = chance.uniform(-0.08, 0.08, 2)
    axis = (torch.arange(size) + 0.5) / size * 2.0 - 1.0
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    x, y = x[None, None], y[None, None]
    place = torch.cat([turn.cos() * x - turn.sin() * y, turn.sin() * x + turn.cos() * y], dim=1) * scale + shift
    place = place + chance.uniform(0.0, 0.06) * chance.clouds(2, 6, size)
    return functional.grid_sample(stack, place.permute(0, 2, 3, 1), padding_mode="zeros", align_corners=False)


def backgrounds(chance: Chance, size: int) -> Tensor:
    """(B, 3, size, size) in 0..1: plain, grey, ramps, clouds and checks."""
    plain = chance.uniform(0.0, 1.0, 3)
    plain = torch.where(chance.hit(0.4), chance.uniform(0.0, 1.0).expand(-1, 3, -1, -1), plain)
    ground = plain.expand(-1, -1, size, size)
    other = chance.uniform(0.0, 1.0, 3)
    axis = torch.linspace(0.0, 1.0, size)
    turn = chance.uniform(0.0, 2.0 * math.pi)
    ramp = (0.5 + (axis[None, None, None] - 0.5) * turn.cos() + (axis[None, None, :, None] - 0.5) * turn.sin()).clamp(
        0, 1
    )
    ground = torch.where(chance.hit(0.3), ground * ramp + other * (1.0 - ramp), ground)
    cells = chance.uniform(2.0, 8.0).round()
    checks = ((axis[None, None, None] * cells).floor() + (axis[None, None, :, None] * cells).floor()) % 2.0
    ground = torch.where(chance.hit(0.1), plain + (other - plain) * checks, ground)
    clouds = chance.hit(0.4) * chance.uniform(0.0, 0.3) * chance.clouds(3, 5, size)
    return (ground + clouds).clamp(0.0, 1.0)


def varied(albedo: Tensor, normals: Tensor, generator: torch.Generator) -> Tensor:
    """One random picture of each stored render.

    Args:
        albedo: (B, H, H, 4) uint8, sRGB-encoded straight colour and coverage.
        normals: (B, H, H, 3) int8, 127 stands for 1, in the camera's frame (x right, y up, z towards the viewer).
        generator: where every random number comes from.

    Returns:
        (B, 3, H, H) float32 in 0..1.
    """
    chance = Chance(len(albedo), generator)
    rgba = albedo.permute(0, 3, 1, 2).float() / 255.0
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    colour = washed(colour, alpha, chance)
    shaded = lit(
        colour, bent(normals.permute(0, 3, 1, 2).float() / 127.0, chance), lights(chance, 1.3), chance.uniform(0.3, 0.7)
    )
    colour = torch.where(chance.hit(0.5), shaded, colour)
    stack = moved(torch.cat([colour * alpha, alpha], dim=1), chance)
    near = functional.avg_pool2d(stack, 3, 1, 1)  # gives a colour to pixels just outside, in case the outline swells
    stack = torch.where(stack[:, 3:] > 0.05, stack, near)
    colour, alpha = stack[:, :3] / stack[:, 3:].clamp_min(1e-3), stack[:, 3:].clamp(0.0, 1.0)
    # A blurred outline cut again at another height: parts swell or shrink by about half a pixel, corners become round.
    rounder = functional.avg_pool2d(alpha, 3, 1, 1)
    rounder = ((rounder - chance.uniform(0.3, 0.6)) * 3.0 + 0.5).clamp(0.0, 1.0)
    alpha = torch.where(chance.hit(0.25), rounder, alpha)
    picture = colour.clamp(0.0, 1.0) * alpha + backgrounds(chance, albedo.shape[1]) * (1.0 - alpha)
    soft = functional.avg_pool2d(functional.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1)
    picture = torch.where(chance.hit(0.2), soft, picture)
    noise = torch.randn(picture.shape, generator=generator)
    return (picture + chance.uniform(0.0, 0.03) * noise).clamp(0.0, 1.0)
