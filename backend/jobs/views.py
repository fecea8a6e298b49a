# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cameras and lights a step looks through: the schedules of Magic3D as the presets give them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from backend.jobs.presets import CameraRange, LightRange
from backend.render.cameras import DEFAULT_FOV, Cameras, orbit
from backend.render.lighting import sample_lights


def sample_cameras(where: CameraRange, count: int, pixels: int, generator: torch.Generator) -> Cameras:
    """`count` cameras of `pixels` x `pixels`: azimuths evenly spread from a random start, the rest drawn from ranges.

    Elevation is uniform in angle for part of the batch and uniform on the sphere for the rest (threestudio draws both
    halves so, because the first crowds the pole). `generator` is a CPU generator.
    """
    start = torch.rand((), generator=generator)
    azimuth = (start + torch.arange(count) / count) * 2 * math.pi
    low, high = (math.radians(angle) for angle in where.elevation)
    draw = torch.rand(count, generator=generator)
    in_angle = low + draw * (high - low)
    on_sphere = torch.asin(math.sin(low) + draw * (math.sin(high) - math.sin(low)))
    elevation = torch.where(torch.rand(count, generator=generator) < where.on_sphere, on_sphere, in_angle)
    zoom = where.zoom[0] + torch.rand(count, generator=generator) * (where.zoom[1] - where.zoom[0])
    target = torch.randn((count, 3), generator=generator) * where.look_at_jitter if where.look_at_jitter else None
    # The picture is framed by distance alone, so that the perspective is always the one the prior was trained with.
    return orbit(azimuth, elevation, zoom * 3.0, DEFAULT_FOV, pixels, target=target)


def turntable(count: int, pixels: int, elevation_degrees: float = 15.0, start_degrees: float = 0.0) -> Cameras:
    """`count` cameras evenly spread around the object at one elevation, the first `start_degrees` from the front."""
    azimuth = math.radians(start_degrees) + torch.arange(count) * (2 * math.pi / count)
    return orbit(azimuth, torch.full((count,), math.radians(elevation_degrees)), size=pixels)


def sample_shading(
    light: LightRange, share: float, cameras: Cameras, knows_light: bool, generator: torch.Generator
) -> tuple[Tensor, bool] | None:
    """Lights for this step, or None for plain albedo.

    Returns (directions towards the light (B, 3) in the world, whether the albedo is hidden). A prior that tells lit
    from unlit has no use for textureless pictures, which it never saw.
    """
    draws = torch.rand(2, generator=generator).tolist()
    if share < light.begin or draws[0] >= light.lit:
        return None
    directions = sample_lights(cameras, generator, math.radians(light.angle))
    return directions, (not knows_light) and draws[1] < light.textureless
