# SPDX-License-Identifier: GPL-3.0-or-later
"""Multiresolution hash-grid encoding (Mueller et al. 2022, "Instant Neural Graphics Primitives", section 3).

A point of the cube [-1, 1]^3 is looked up in `levels` grids of growing resolution; each grid gives two trilinearly
interpolated features. Grids that fit the table size are stored densely, larger ones share a table through a spatial
hash. Gradients go to the table and to the points, and the gradient with respect to the points can be differentiated
once more (to table, points and incoming gradient), so that analytic normals can stand inside a loss. The kernels are in
`hash_lookup`; the networks that read the features live in `backend.fields`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
import warp as wp

from backend.kernels import hash_lookup as lookup
from backend.kernels import runtime

FEATURES = 2
"""Features of one level: two floats are one 8-byte load, the sweet spot of the paper (its section 4)."""


@dataclass(frozen=True)
class HashGridConfig:
    """Shape of a hash grid. The defaults are Magic3D's coarse model as threestudio sets it (16 levels up to 4096).

    `levels` 1 to 32; `log2_table_size` 4 to 24, the entries of one hashed level; `base_resolution` at least 1, cells a
    side of the coarsest level over the cube's side of 2; `growth` at least 1, the factor from level to level.
    """

    levels: int = 16
    log2_table_size: int = 19
    base_resolution: int = 16
    growth: float = 1.4472692374403782

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 32:
            raise ValueError(f"hash grid: levels must be 1 to 32, not {self.levels}")
        if not 4 <= self.log2_table_size <= 24:
            raise ValueError(f"hash grid: log2_table_size must be 4 to 24, not {self.log2_table_size}")
        if self.base_resolution < 1 or not 1.0 <= self.growth <= 4.0:
            raise ValueError("hash grid: base_resolution must be at least 1 and growth 1 to 4")
        if self.resolutions[-1] > 2**16:
            raise ValueError(
                f"hash grid: finest resolution {self.resolutions[-1]} exceeds 65536; lower growth or levels"
            )

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """Cells a side of each level, coarsest first."""
        return tuple(int(self.base_resolution * self.growth**level + 1e-6) for level in range(self.levels))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Table entries of each level."""
        limit = 1 << self.log2_table_size
        return tuple(min(limit, (resolution + 2) ** 3) for resolution in self.resolutions)

    @property
    def entries(self) -> int:
        """Rows of the whole table, which is (entries, 2)."""
        return sum(self.sizes)

    @property
    def width(self) -> int:
        """Length of the encoding of one point."""
        return FEATURES * self.levels


@lru_cache(maxsize=32)
def _level_table(config: HashGridConfig, device: torch.device) -> torch.Tensor:
    """(levels, 4) int32: resolution, first entry, dense side (0 = hashed), index mask."""
    rows, first = [], 0
    for resolution, size in zip(config.resolutions, config.sizes, strict=True):
        side = resolution + 2
        dense = side**3 <= 1 << config.log2_table_size
        rows.append((resolution, first, side if dense else 0, (1 << config.log2_table_size) - 1))
        first += size
    return torch.tensor(rows, dtype=torch.int32, device=device)


Inputs = Callable[[slice, slice], list[Any]]
"""Inputs of a kernel for a range of points and a range of levels, without the counts that come first."""

_POINTS_EACH = 4096
"""A range of fewer points is not worth a thread."""


def _by_points(kernel: Any, config: HashGridConfig, points: torch.Tensor, inputs: Inputs) -> None:
    """Launches a kernel whose points write to separate memory.

    Kernels are level-major, all points of a level before the next, so that a level's table stays in a CPU's cache.
    """
    levels = slice(0, config.levels)
    ranges = [(some, levels) for some in runtime.parts(points.shape[0], points.device, _POINTS_EACH)]
    _run(kernel, config, points, ranges, inputs)


def _by_levels(
    kernel: Any, config: HashGridConfig, points: torch.Tensor, inputs: Inputs, at_once: bool = False
) -> None:
    """Launches a kernel whose levels write to separate memory (each has its own table); `at_once` if they do not."""
    everything, whole = slice(0, points.shape[0]), slice(0, config.levels)
    one_by_one = len(runtime.parts(points.shape[0], points.device, _POINTS_EACH)) > 1 and not at_once
    levels = [slice(level, level + 1) for level in range(config.levels)] if one_by_one else [whole]
    _run(kernel, config, points, [(everything, some) for some in levels] if points.shape[0] else [], inputs)


def _run(
    kernel: Any, config: HashGridConfig, points: torch.Tensor, ranges: list[tuple[slice, slice]], inputs: Inputs
) -> None:
    table = _level_table(config, points.device)
    chunk = runtime.chunk_for(points.device)
    launches = []
    for some, levels in ranges:
        count = some.stop - some.start
        first = [runtime.view(points[some], wp.vec3), runtime.view(table[levels]), count, chunk]
        blocks = (count + chunk - 1) // chunk
        launches.append(((levels.stop - levels.start, blocks), first + inputs(some, levels)))
    runtime.launch_all(kernel, launches, points.device)


def _columns(levels: slice) -> slice:
    return slice(FEATURES * levels.start, FEATURES * levels.stop)


class _HashEncode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: torch.Tensor, table: torch.Tensor, config: HashGridConfig) -> torch.Tensor:
        points, table = points.contiguous(), table.contiguous()
        features = torch.empty((config.width, points.shape[0]), device=points.device)

        def inputs(some: slice, levels: slice) -> list[Any]:
            return [runtime.view(table, wp.vec2), runtime.view(features[:, some])]

        _by_points(lookup.encode, config, points, inputs)
        ctx.save_for_backward(points, table)
        ctx.config = config
        return features.t()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        points, table = ctx.saved_tensors
        grad_points = grad_table = None
        if ctx.needs_input_grad[0]:
            grad_points = _PointGradient.apply(points, table, gradient, ctx.config)
        if ctx.needs_input_grad[1]:
            out = grad_table = torch.zeros_like(table)

            def inputs(some: slice, levels: slice) -> list[Any]:
                return [runtime.view(gradient[:, _columns(levels)]), runtime.view(out, wp.vec2)]

            _by_levels(lookup.scatter, ctx.config, points, inputs)
        return grad_points, grad_table, None


class _PointGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, points: torch.Tensor, table: torch.Tensor, gradient: torch.Tensor, config: HashGridConfig
    ) -> torch.Tensor:
        points, table = points.contiguous(), table.contiguous()
        out = torch.zeros_like(points)

        def inputs(some: slice, levels: slice) -> list[Any]:
            return [runtime.view(table, wp.vec2), runtime.view(gradient[some]), runtime.view(out[some], wp.vec3)]

        _by_points(lookup.point_gradient, config, points, inputs)
        ctx.save_for_backward(points, table, gradient)
        ctx.config = config
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        points, table, gradient = ctx.saved_tensors
        want_points = ctx.needs_input_grad[0]
        out_gradient = torch.zeros((ctx.config.width, points.shape[0]), device=points.device)
        out_table = torch.zeros_like(table)
        out_points = torch.zeros_like(points) if want_points else torch.zeros((1, 3), device=points.device)
        upstream = upstream.contiguous()

        def inputs(some: slice, levels: slice) -> list[Any]:
            read = [runtime.view(table, wp.vec2), runtime.view(gradient[:, _columns(levels)])]
            written = [runtime.view(out_gradient[_columns(levels)]), runtime.view(out_table, wp.vec2)]
            write_points = [int(want_points), runtime.view(out_points, wp.vec3)]
            return [*read, runtime.view(upstream, wp.vec3), *written, *write_points]

        _by_levels(lookup.point_gradient_backward, ctx.config, points, inputs, at_once=want_points)
        return (out_points if want_points else None), out_table, out_gradient.t(), None


def hash_encode(points: torch.Tensor, table: torch.Tensor, config: HashGridConfig) -> torch.Tensor:
    """Encodes points (N, 3) float32 in [-1, 1]^3 (clamped outside) with `table` (entries, 2) float32.

    Returns (N, 2 * levels) float32, coarsest level first. The result is stored feature-major, so it is a transposed
    view: matrix products read it at full speed, `.contiguous()` copies. Differentiable in points and table; twice
    differentiable along the points' gradient.
    """
    _check(points, table, config)
    return _HashEncode.apply(points, table, config)


def hash_point_gradient(
    points: torch.Tensor, table: torch.Tensor, gradient: torch.Tensor, config: HashGridConfig
) -> torch.Tensor:
    """Product of `gradient` (N, 2 * levels) with the encoding's Jacobian: (N, 3), differentiable in all three tensors.

    With the gradient of a density with respect to the features it gives the density's spatial gradient, whose own
    backward pass costs one kernel more.
    """
    _check(points, table, config)
    return _PointGradient.apply(points, table, gradient, config)


def _check(points: torch.Tensor, table: torch.Tensor, config: HashGridConfig) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype != torch.float32:
        raise ValueError(f"hash grid: points must be (N, 3) float32, not {tuple(points.shape)} {points.dtype}")
    if table.shape != (config.entries, FEATURES) or table.dtype != torch.float32:
        wanted = (config.entries, FEATURES)
        raise ValueError(f"hash grid: table must be {wanted} float32, not {tuple(table.shape)} {table.dtype}")
    if points.device != table.device:
        raise ValueError(f"hash grid: points on {points.device}, table on {table.device}")


def initial_table(config: HashGridConfig, generator: torch.Generator, scale: float = 1e-4) -> torch.Tensor:
    """(entries, 2) float32 uniform in [-scale, scale] (the paper's section 4), drawn on the generator's device."""
    table = torch.empty((config.entries, FEATURES), device=generator.device)
    return table.uniform_(-scale, scale, generator=generator)
