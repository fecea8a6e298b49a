# SPDX-License-Identifier: GPL-3.0-or-later
"""Compositing of packed samples along rays, the quadrature of volume rendering (Max 1995; Mildenhall et al. 2020).

A sample of density sigma in an interval of length dt has alpha = 1 - exp(-sigma dt) and weight = transmittance * alpha.
The kernel sums any number of channels, opacity and depth with these weights in one pass; the hand-written backward pass
walks each ray once more, from back to front. Samples beyond an almost opaque surface get weight and gradient zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import warp as wp

from backend.kernels import runtime

wp.set_module_options({"enable_backward": False})

STOP_TRANSMITTANCE = 1e-4
"""A ray ends when less than this part of its light is left (Instant-NGP, section 5.3)."""

_RAYS_EACH = 512
"""A range of fewer rays is not worth a thread."""


class Composite(NamedTuple):
    """channels (R, C), opacity (R,), depth (R,) = sum of weight * t (not divided by opacity), weights (S,)."""

    channels: torch.Tensor
    opacity: torch.Tensor
    depth: torch.Tensor
    weights: torch.Tensor


@wp.kernel
def _forward(
    density: wp.array(dtype=float),
    values: wp.array2d(dtype=float),
    t: wp.array(dtype=float),
    offsets: wp.array(dtype=int),
    step: float,
    stop: float,
    width: int,
    channels: wp.array2d(dtype=float),
    opacity: wp.array(dtype=float),
    depth: wp.array(dtype=float),
    weights: wp.array(dtype=float),
    transmittance: wp.array(dtype=float),
):
    ray = wp.tid()
    light = wp.float32(1.0)
    far = wp.float32(0.0)
    for i in range(offsets[ray], offsets[ray + 1]):
        if light < stop:
            weights[i] = 0.0
            transmittance[i] = 0.0
        else:
            passed = wp.exp(-density[i] * step)
            weight = light * (1.0 - passed)
            transmittance[i] = light
            weights[i] = weight
            far += weight * t[i]
            for c in range(width):
                channels[ray, c] = channels[ray, c] + weight * values[i, c]
            light = light * passed
    opacity[ray] = 1.0 - light
    depth[ray] = far


@wp.kernel
def _backward(
    density: wp.array(dtype=float),
    values: wp.array2d(dtype=float),
    t: wp.array(dtype=float),
    offsets: wp.array(dtype=int),
    step: float,
    width: int,
    weights: wp.array(dtype=float),
    transmittance: wp.array(dtype=float),
    grad_channels: wp.array2d(dtype=float),
    grad_opacity: wp.array(dtype=float),
    grad_depth: wp.array(dtype=float),
    grad_weights: wp.array(dtype=float),
    grad_density: wp.array(dtype=float),
    grad_values: wp.array2d(dtype=float),
):
    ray = wp.tid()
    first = offsets[ray]
    last = offsets[ray + 1]
    behind = wp.float32(0.0)
    shared = grad_opacity[ray]
    along = grad_depth[ray]
    for back in range(last - first):
        i = last - 1 - back
        light = transmittance[i]
        if light > 0.0:
            weight = weights[i]
            g = shared + along * t[i] + grad_weights[i]
            for c in range(width):
                g += grad_channels[ray, c] * values[i, c]
                grad_values[i, c] = grad_channels[ray, c] * weight
            grad_density[i] = step * ((light - weight) * g - behind)
            behind += weight * g
        else:
            grad_density[i] = 0.0
            for c in range(width):
                grad_values[i, c] = 0.0


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        density: torch.Tensor,
        values: torch.Tensor,
        t: torch.Tensor,
        offsets: torch.Tensor,
        step: float,
        stop: float,
    ) -> Any:
        density, values = density.contiguous(), values.contiguous()
        rays, samples, width = offsets.shape[0] - 1, density.shape[0], values.shape[1]
        channels = values.new_zeros((rays, width))
        opacity, depth = values.new_zeros(rays), values.new_zeros(rays)
        weights, transmittance = torch.empty_like(density), torch.empty_like(density)
        if rays and samples:
            launches = []
            for some in runtime.parts(rays, density.device, _RAYS_EACH):
                read = (density, values, t, offsets[some.start : some.stop + 1])
                written = (channels[some], opacity[some], depth[some], weights, transmittance)
                inputs = [*map(runtime.view, read), step, stop, width, *map(runtime.view, written)]
                launches.append((some.stop - some.start, inputs))
            runtime.launch_all(_forward, launches, density.device)
        ctx.save_for_backward(density, values, t, offsets, weights, transmittance)
        ctx.step = step
        return channels, opacity, depth, weights

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, g_channels: torch.Tensor, g_opacity: torch.Tensor, g_depth: torch.Tensor, g_weights: torch.Tensor
    ) -> Any:
        density, values, t, offsets, weights, transmittance = ctx.saved_tensors
        grad_density, grad_values = torch.zeros_like(density), torch.zeros_like(values)
        if density.shape[0]:
            g_channels, g_opacity, g_depth = g_channels.contiguous(), g_opacity.contiguous(), g_depth.contiguous()
            g_weights, launches = g_weights.contiguous(), []
            for some in runtime.parts(offsets.shape[0] - 1, density.device, _RAYS_EACH):
                read = (density, values, t, offsets[some.start : some.stop + 1])
                upstream = (g_channels[some], g_opacity[some], g_depth[some], g_weights)
                rest = (weights, transmittance, *upstream, grad_density, grad_values)
                inputs = [*map(runtime.view, read), ctx.step, values.shape[1], *map(runtime.view, rest)]
                launches.append((some.stop - some.start, inputs))
            runtime.launch_all(_backward, launches, density.device)
        return grad_density, grad_values, None, None, None, None


def composite(
    density: torch.Tensor,
    values: torch.Tensor,
    t: torch.Tensor,
    offsets: torch.Tensor,
    step: float,
    stop_transmittance: float = STOP_TRANSMITTANCE,
) -> Composite:
    """Composites packed samples: density (S,) >= 0, values (S, C), t (S,), all float32, offsets (R + 1,) int32.

    Differentiable in density and values, through channels, opacity, depth and weights. `step` is the common interval
    length. A ray without samples gives zeros.
    """
    samples = density.shape[0]
    if density.ndim != 1 or values.ndim != 2 or values.shape[0] != samples or t.shape != (samples,):
        raise ValueError(
            "composite: density (S,), values (S, C), t (S,) expected, not "
            f"{tuple(density.shape)}, {tuple(values.shape)}, {tuple(t.shape)}"
        )
    if offsets.dtype != torch.int32:
        raise ValueError(f"composite: offsets must be int32, not {offsets.dtype}")
    return Composite(*_Composite.apply(density, values, t.detach(), offsets, float(step), float(stop_transmittance)))
