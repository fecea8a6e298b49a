# SPDX-License-Identifier: GPL-3.0-or-later
"""Marching rays through an occupancy grid to packed samples (Mueller et al. 2022; Li et al. 2023, NerfAcc).

The grid covers the cube [-1, 1]^3 with R^3 cells. A first pass counts the samples of each ray, a second writes them
tightly packed, ray after ray, front to back. Empty cells are crossed in one step. What is sampled there, and how the
occupancy came about, is left to others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import warp as wp

from backend.kernels import runtime

wp.set_module_options({"enable_backward": False})

_RAYS_EACH = 512
"""A range of fewer rays is not worth a thread."""


@dataclass(frozen=True)
class RaySamples:
    """S packed samples of R rays.

    offsets (R + 1,) int32: ray r owns samples offsets[r] to offsets[r + 1]. ray_index (S,) int32. t (S,) distance of
    the sample along the ray, the middle of its interval of length `step`. positions (S, 3). step is a plain number:
    all intervals are equally long.
    """

    offsets: torch.Tensor
    ray_index: torch.Tensor
    t: torch.Tensor
    positions: torch.Tensor
    step: float

    def __len__(self) -> int:
        return self.t.shape[0]

    @property
    def t_start(self) -> torch.Tensor:
        return self.t - 0.5 * self.step

    @property
    def t_end(self) -> torch.Tensor:
        return self.t + 0.5 * self.step


def step_for(samples_across: int) -> float:
    """Step that puts `samples_across` samples on the cube's longest diagonal (threestudio: 1.732 * 2 * r / n)."""
    return 2.0 * math.sqrt(3.0) / samples_across


@wp.func
def _enter(o: wp.vec3, d: wp.vec3):
    """Entry and exit distance of the ray in the cube [-1, 1]^3; exit < entry on a miss."""
    near = wp.float32(0.0)
    far = wp.float32(1.0e10)
    for axis in range(3):
        if wp.abs(d[axis]) > 1.0e-9:
            a = (-1.0 - o[axis]) / d[axis]
            b = (1.0 - o[axis]) / d[axis]
            near = wp.max(near, wp.min(a, b))
            far = wp.min(far, wp.max(a, b))
        elif wp.abs(o[axis]) > 1.0:
            far = -1.0
    return wp.vec2(near, far)


@wp.func
def _cell_of(value: float, resolution: int):
    return wp.clamp(int((value + 1.0) * 0.5 * float(resolution)), 0, resolution - 1)


@wp.func
def _exit_distance(position: float, d: float, cell: int, resolution: int):
    """Distance from `position` to the wall of its cell that lies ahead along one axis."""
    wall = float(cell) + wp.where(d > 0.0, 1.0, 0.0)
    gap = wall * 2.0 / float(resolution) - 1.0 - position
    return wp.where(wp.abs(d) > 1.0e-9, gap / d, 1.0e10)


@wp.kernel
def _march(
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    occupied: wp.array(dtype=wp.uint8),
    density: wp.array(dtype=float),
    resolution: int,
    step: float,
    jitter: int,
    seed: int,
    rays_before: int,
    limit: int,
    stop_depth: float,
    first_ray: int,
    offsets: wp.array(dtype=int),
    fill: int,
    counts: wp.array(dtype=int),
    ray_index: wp.array(dtype=int),
    t_out: wp.array(dtype=float),
    positions: wp.array(dtype=wp.vec3),
):
    ray = wp.tid()
    number = first_ray + ray
    o = origins[ray]
    d = directions[ray]
    span = _enter(o, d)
    count = wp.int32(0)
    first = wp.int32(0)
    bound = limit
    if fill != 0:
        first = offsets[ray]
        bound = offsets[ray + 1] - first
    if span[1] > span[0]:
        shift = wp.float32(0.5)
        if jitter != 0:
            shift = wp.randf(wp.rand_init(seed, number + rays_before))
        k = wp.float32(0.0)
        depth = wp.float32(0.0)
        t = span[0] + shift * step
        while t < span[1] and count < bound and depth < stop_depth:
            p = o + d * t
            x = _cell_of(p[0], resolution)
            y = _cell_of(p[1], resolution)
            z = _cell_of(p[2], resolution)
            cell = (x * resolution + y) * resolution + z
            if occupied[cell] != wp.uint8(0):
                if fill != 0:
                    ray_index[first + count] = number
                    t_out[first + count] = t
                    positions[first + count] = p
                count += 1
                if stop_depth < 1.0e10:
                    depth += density[cell] * step
                k += 1.0
            else:
                # Leap to the first lattice point beyond the cell, so that samples stay on the ray's own lattice.
                ahead = wp.min(
                    wp.min(_exit_distance(p[0], d[0], x, resolution), _exit_distance(p[1], d[1], y, resolution)),
                    _exit_distance(p[2], d[2], z, resolution),
                )
                k += wp.max(1.0, wp.ceil(ahead / step))
            t = span[0] + (k + shift) * step
    if fill == 0:
        counts[ray] = count


def march(
    origins: torch.Tensor,
    directions: torch.Tensor,
    occupied: torch.Tensor,
    *,
    step: float,
    seed: int | None = None,
    rays_before: int = 0,
    max_samples: int = 1024,
    density: torch.Tensor | None = None,
    stop_transmittance: float = 0.0,
) -> RaySamples:
    """Packed samples of rays (R, 3) origins and unit (R, 3) directions, in the occupied cells only.

    occupied: (G, G, G) uint8, indexed [x, y, z]. step: interval length in world units. seed: each ray's lattice is
    shifted by a uniform random part of a step drawn from (seed, ray + rays_before); None puts samples mid-step.
    rays_before: how many rays of a larger picture come before these. max_samples limits each ray. With `density`
    (G, G, G) float32, an estimate of the field in each cell, a ray also stops where the estimated transmittance falls
    below `stop_transmittance`, which saves the samples behind a solid surface.
    """
    resolution = occupied.shape[0]
    if occupied.shape != (resolution,) * 3 or occupied.dtype != torch.uint8:
        raise ValueError(f"march: occupied must be (G, G, G) uint8, not {tuple(occupied.shape)} {occupied.dtype}")
    if origins.shape != directions.shape or origins.ndim != 2 or origins.shape[1] != 3:
        raise ValueError(f"march: rays must be (R, 3) tensors, not {tuple(origins.shape)} {tuple(directions.shape)}")
    if step <= 0.0 or max_samples < 1:
        raise ValueError("march: step and max_samples must be positive")
    device, rays = origins.device, origins.shape[0]
    offsets = torch.zeros(rays + 1, dtype=torch.int32, device=device)
    empty = torch.zeros(1, device=device)
    stops = density is not None and stop_transmittance > 0.0
    if rays == 0:
        return RaySamples(offsets, offsets[:0], empty[:0], empty.new_zeros((0, 3)), step)
    origins, directions = origins.detach().float().contiguous(), directions.detach().float().contiguous()
    counts = torch.empty(rays, dtype=torch.int32, device=device)
    fixed = [
        runtime.view(occupied.reshape(-1)),
        runtime.view(density.float().reshape(-1) if stops and density is not None else empty),
        resolution,
        float(step),
        int(seed is not None),
        int((seed or 0) & 0x7FFFFFFF),
        int(rays_before),
        int(max_samples),
        float(-math.log(stop_transmittance)) if stops else 1.0e20,
    ]

    def run(fill: int, index: torch.Tensor, t: torch.Tensor, positions: torch.Tensor) -> None:
        outputs = [runtime.view(index), runtime.view(t), runtime.view(positions, wp.vec3)]
        launches = []
        for some in runtime.parts(rays, device, _RAYS_EACH):
            rays_in = [runtime.view(origins[some], wp.vec3), runtime.view(directions[some], wp.vec3)]
            place = [some.start, runtime.view(offsets[some.start : some.stop + 1]), fill, runtime.view(counts[some])]
            launches.append((some.stop - some.start, [*rays_in, *fixed, *place, *outputs]))
        runtime.launch_all(_march, launches, device)

    run(0, counts, empty, torch.zeros((1, 3), device=device))
    torch.cumsum(counts, 0, dtype=torch.int32, out=offsets[1:])
    total = int(offsets[-1])
    ray_index = torch.empty(total, dtype=torch.int32, device=device)
    t = torch.empty(total, device=device)
    positions = torch.empty((total, 3), device=device)
    if total:
        run(1, ray_index, t, positions)
    return RaySamples(offsets, ray_index, t, positions, float(step))
