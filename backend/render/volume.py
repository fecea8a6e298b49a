# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume rendering of a field: march rays through the occupancy grid, query the field, composite.

The field is anything with `density_and_colour(points)`, and `normals(points, method, epsilon)` where normals are asked
for. Colour comes back premultiplied by opacity, so that callers put any background behind it and shade as they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.utils.checkpoint import checkpoint

from backend.fields.occupancy import OccupancyGrid
from backend.fields.radiance import FieldSample, NormalMethod
from backend.kernels.composite import composite
from backend.kernels.ray_march import march, step_for
from backend.render.cameras import Cameras


class VolumeField(Protocol):
    def density_and_colour(self, points: torch.Tensor) -> FieldSample: ...

    def normals(self, points: torch.Tensor, method: NormalMethod, epsilon: float) -> torch.Tensor: ...


@dataclass(frozen=True)
class VolumeOptions:
    """How finely and how frugally to render.

    samples: on the cube's diagonal (step = 2 sqrt(3) / samples). normals: how, or None for no normals. normal_epsilon:
    distance of finite differences. normal_weight: samples of less weight get no normal, for they hardly show and
    normals are the costly part (threestudio drops samples of alpha below the same number). max_samples: limit a ray.
    stop_transmittance: above 0, rays stop where the occupancy grid's density estimate leaves less light than this.
    rays_at_once: rays rendered together; with gradients, further groups are recomputed in the backward pass, which
    trades time for memory (0: all at once).
    """

    samples: int = 512
    normals: NormalMethod | None = None
    normal_epsilon: float = 0.01
    normal_weight: float = 0.01
    max_samples: int = 1024
    stop_transmittance: float = 0.0
    rays_at_once: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.max_samples < 1 or self.rays_at_once < 0:
            raise ValueError("volume: samples and max_samples must be positive, rays_at_once not negative")
        if not 0.0 <= self.stop_transmittance < 1.0 or self.normal_epsilon <= 0.0:
            raise ValueError("volume: stop_transmittance must be in [0, 1) and normal_epsilon positive")


@dataclass(frozen=True)
class VolumeRender:
    """What B cameras see; float32.

    colour (B, H, W, 3) sRGB, premultiplied. opacity (B, H, W, 1). depth (B, H, W, 1): distance along the ray, weighted,
    not divided by opacity. normal (B, H, W, 3): weighted sum of unit normals, or None. orientation (): DreamFusion's
    term, sum of detached weight * max(n.d, 0)^2 over rays with opacity (Poole et al. 2022, appendix A.4; divisor as
    threestudio), or None. sample_count: samples taken.
    """

    colour: torch.Tensor
    opacity: torch.Tensor
    depth: torch.Tensor
    normal: torch.Tensor | None
    orientation: torch.Tensor | None
    sample_count: int

    def over(self, background: torch.Tensor | float) -> torch.Tensor:
        """Colour (B, H, W, 3) in front of a background that broadcasts to it."""
        return self.colour + (1.0 - self.opacity) * background

    def straight_rgba(self) -> torch.Tensor:
        """RGBA (B, H, W, 4) with straight alpha."""
        return torch.cat([self.colour / self.opacity.clamp_min(1e-4), self.opacity], -1)


def render_volume(
    field: VolumeField,
    occupancy: OccupancyGrid,
    cameras: Cameras,
    options: VolumeOptions = VolumeOptions(),
    generator: torch.Generator | None = None,
    views_before: int = 0,
) -> VolumeRender:
    """Renders `field` from `cameras`. `generator` (CPU) shifts the samples of each ray; None samples mid-step.

    views_before: how many views of a larger batch come before these; the shifts are those of that batch.

    Differentiable in the field's parameters. Rays outside the occupied cells give zero.
    """
    origins, directions = (rays.reshape(-1, 3) for rays in cameras.rays())
    seed = None if generator is None else int(torch.randint(2**31 - 1, (), generator=generator))
    group = options.rays_at_once or origins.shape[0]
    parts, count = [], 0
    for first in range(0, origins.shape[0], group):
        chunk = (origins[first : first + group], directions[first : first + group])
        shift = None if seed is None else (seed + first) & 0x7FFFFFFF
        samples = march(
            *chunk,
            occupancy.occupied,
            step=step_for(options.samples),
            seed=shift,
            rays_before=views_before * cameras.width * cameras.height,
            max_samples=options.max_samples,
            density=occupancy.density,
            stop_transmittance=options.stop_transmittance,
        )
        count += len(samples)
        arguments = (field, chunk[1], samples.positions, samples.ray_index, samples.t, samples.offsets, options)
        if torch.is_grad_enabled() and group < origins.shape[0]:
            parts.append(checkpoint(_render_rays, *arguments, use_reentrant=False))
        else:
            parts.append(_render_rays(*arguments))
    shape = (len(cameras), cameras.height, cameras.width)
    colour, opacity, depth, normal, penalty = (torch.cat(column) for column in zip(*parts, strict=True))
    has_normals = options.normals is not None
    rays_hit = (opacity.detach() > 0.0).sum().clamp_min(1)
    return VolumeRender(
        colour.view(*shape, 3),
        opacity.view(*shape, 1),
        depth.view(*shape, 1),
        normal.view(*shape, 3) if has_normals else None,
        penalty.sum() / rays_hit if has_normals else None,
        count,
    )


def _render_rays(
    field: VolumeField,
    directions: torch.Tensor,
    positions: torch.Tensor,
    ray_index: torch.Tensor,
    t: torch.Tensor,
    offsets: torch.Tensor,
    options: VolumeOptions,
) -> tuple[torch.Tensor, ...]:
    """Colour (R, 3), opacity (R,), depth (R,), normal (R, 3) and the orientation sum (1,) of packed samples."""
    rays = directions.shape[0]
    density, colour = field.density_and_colour(positions)
    result = composite(density, colour, t, offsets, step_for(options.samples))
    normal, penalty = directions.new_zeros((rays, 3)), directions.new_zeros(1)
    if options.normals is not None:
        chosen = (result.weights.detach() > options.normal_weight).nonzero().view(-1)
        if chosen.numel():
            rows = ray_index[chosen].long()
            weight = result.weights[chosen]
            unit = field.normals(positions[chosen], options.normals, options.normal_epsilon)
            normal = normal.index_add(0, rows, unit * weight[:, None])
            away = (unit * directions[rows]).sum(-1).clamp_min(0.0)
            penalty = (weight.detach() * away * away).sum().reshape(1)
    return result.channels, result.opacity, result.depth, normal, penalty
