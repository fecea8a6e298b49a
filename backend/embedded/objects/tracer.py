# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP018 - float(0.0) declares a variable in a Warp loop, a bare 0.0 a constant
"""Evaluates objects at points and sphere-traces batches of pictures of them, with one Warp kernel each.

A picture is albedo with straight alpha, and normals in the camera's frame, so that training can light it as it likes
(`shading`). Many objects, each from its own camera, are traced in one launch. For each pixel the primitives whose
bounding sphere its cone of rays misses are left out, and rays are marched only between the first entry into a
remaining sphere and the last exit (sphere tracing: Hart 1996, with the step of its section 2.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import warp as wp

from .model import COLUMNS, FloatArray, ProceduralObject
from .sdf import CUT, INTERSECT, PAINT, object_distance
from .surface import object_colour

wp.config.quiet = True
wp.set_module_options({"enable_backward": False, "fast_math": True})

DISTANCE = 3.0  # from the camera to the origin at zoom 1, metres
HALF_FOV_TANGENT = math.tan(math.radians(20.0))
_HALF_FOV_TANGENT = wp.constant(HALF_FOV_TANGENT)
_ALL = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))
_STEPS = wp.constant(72)


@wp.kernel
def _evaluate_kernel(
    prims: wp.array2d(dtype=wp.float32),
    points: wp.array(dtype=wp.vec3),
    want_colour: int,
    distance: wp.array(dtype=wp.float32),
    colour: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    p = points[i]
    distance[i] = object_distance(prims, 0, prims.shape[0], wp.uint64(_ALL), p)
    if want_colour != 0:
        colour[i] = object_colour(prims, 0, prims.shape[0], wp.uint64(_ALL), p)


@wp.func
def to_byte(x: float) -> wp.uint8:
    return wp.uint8(int(wp.clamp(x * 255.0 + 0.5, 0.0, 255.0)))


@wp.func
def to_signed(x: float) -> wp.int8:
    return wp.int8(int(wp.floor(wp.clamp(x, -1.0, 1.0) * 127.0 + 0.5)))


@wp.kernel
def _trace_kernel(
    prims: wp.array2d(dtype=wp.float32),
    offsets: wp.array(dtype=wp.int32),
    cameras: wp.array2d(dtype=wp.float32),
    size: int,
    samples: int,
    rgba: wp.array4d(dtype=wp.uint8),
    normals: wp.array4d(dtype=wp.int8),
    want_positions: int,
    positions: wp.array4d(dtype=wp.float16),
):
    b, i, j = wp.tid()
    first = offsets[b]
    last = offsets[b + 1]
    azimuth = cameras[b, 0]
    elevation = cameras[b, 1]
    distance = cameras[b, 2]
    backward = wp.vec3(wp.sin(azimuth) * wp.cos(elevation), -wp.cos(azimuth) * wp.cos(elevation), wp.sin(elevation))
    right = wp.vec3(wp.cos(azimuth), wp.sin(azimuth), 0.0)
    up = wp.cross(backward, right)
    target = wp.vec3(cameras[b, 3], cameras[b, 4], cameras[b, 5])
    eye = target + backward * distance

    # One cone for the pixel: leave out the primitives that it misses.
    pixel = 2.0 * _HALF_FOV_TANGENT / float(size)
    x0 = (float(j) + 0.5) * pixel - _HALF_FOV_TANGENT
    y0 = _HALF_FOV_TANGENT - (float(i) + 0.5) * pixel
    centre_ray = wp.normalize(right * x0 + up * y0 - backward)
    spread = 0.75 * pixel
    mask = wp.uint64(0)
    near = float(1.0e4)
    far = float(0.0)
    for row in range(first, last):
        to = wp.vec3(prims[row, 21] - eye[0], prims[row, 22] - eye[1], prims[row, 23] - eye[2])
        along = wp.dot(to, centre_ray)
        radius = prims[row, 24] + spread * wp.max(along, 0.0)
        square = radius * radius - wp.dot(to, to) + along * along
        op = int(prims[row, 1])
        if square > 0.0 or op == INTERSECT:
            mask = mask | (wp.uint64(1) << wp.uint64(row - first))
            if square > 0.0 and op != CUT and op != PAINT and op != INTERSECT:
                half = wp.sqrt(square)
                near = wp.min(near, along - half)
                far = wp.max(far, along + half)
    near = wp.max(near, 0.02)

    colour_sum = wp.vec3(0.0, 0.0, 0.0)
    normal_sum = wp.vec3(0.0, 0.0, 0.0)
    position_sum = wp.vec3(0.0, 0.0, 0.0)
    hits = float(0.0)
    if far > near:
        step = pixel / float(samples)
        epsilon = 0.1 * step
        for k in range(samples * samples):
            x = x0 - 0.5 * pixel + (float(k % samples) + 0.5) * step
            y = y0 + 0.5 * pixel - (float(k / samples) + 0.5) * step
            ray = wp.normalize(right * x + up * y - backward)
            t = float(near)
            hit = int(0)
            for _n in range(_STEPS):
                d = object_distance(prims, first, last, mask, eye + ray * t)
                if d < epsilon * t:
                    hit = 1
                    break
                t += d
                if t > far:
                    break
            if hit == 1:
                p = eye + ray * t
                # Normal by four differences at the corners of a tetrahedron.
                e = 0.35 * step * t
                d0 = object_distance(prims, first, last, mask, p + wp.vec3(e, -e, -e))
                d1 = object_distance(prims, first, last, mask, p + wp.vec3(-e, -e, e))
                d2 = object_distance(prims, first, last, mask, p + wp.vec3(-e, e, -e))
                d3 = object_distance(prims, first, last, mask, p + wp.vec3(e, e, e))
                n = wp.normalize(wp.vec3(d0 - d1 - d2 + d3, -d0 - d1 + d2 + d3, -d0 + d1 - d2 + d3))
                normal_sum += wp.vec3(wp.dot(n, right), wp.dot(n, up), wp.dot(n, backward))
                colour_sum += object_colour(prims, first, last, mask, p)
                position_sum += p
                hits += 1.0
    if hits > 0.0:
        # Every sample has alpha 0 or 1, so the mean over hits is the premultiplied mean divided by alpha.
        rgba[b, i, j, 0] = to_byte(colour_sum[0] / hits)
        rgba[b, i, j, 1] = to_byte(colour_sum[1] / hits)
        rgba[b, i, j, 2] = to_byte(colour_sum[2] / hits)
        rgba[b, i, j, 3] = to_byte(hits / float(samples * samples))
        mean = wp.normalize(normal_sum)
        normals[b, i, j, 0] = to_signed(mean[0])
        normals[b, i, j, 1] = to_signed(mean[1])
        normals[b, i, j, 2] = to_signed(mean[2])
        if want_positions != 0:
            for axis in range(3):
                positions[b, i, j, axis] = wp.float16(position_sum[axis] / hits)


def _run_evaluate(primitives: FloatArray, points: npt.ArrayLike, want_colour: bool) -> tuple[FloatArray, FloatArray]:
    xyz = np.ascontiguousarray(points, dtype=np.float32)
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise ValueError(f"points must be (N, 3), not {xyz.shape}")
    distance = np.zeros(len(xyz), np.float32)
    colour = np.zeros((len(xyz) if want_colour else 1, 3), np.float32)
    if len(xyz):
        table = np.array(primitives, dtype=np.float32)
        wp.launch(
            _evaluate_kernel,
            dim=len(xyz),
            inputs=[
                wp.array(table, dtype=wp.float32, device="cpu", copy=False),
                wp.array(xyz, dtype=wp.vec3, device="cpu", copy=False),
                int(want_colour),
                wp.array(distance, dtype=wp.float32, device="cpu", copy=False),
                wp.array(colour, dtype=wp.vec3, device="cpu", copy=False),
            ],
            device="cpu",
        )
    return distance, colour


def distances(primitives: FloatArray, points: npt.ArrayLike) -> FloatArray:
    """Safe signed distances (N,) float32 of an array of primitives at points (N, 3); negative inside."""
    return _run_evaluate(primitives, points, want_colour=False)[0]


def evaluate(obj: ProceduralObject, points: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Distance (N,) and sRGB colour (N, 3) in 0..1 at points (N, 3) of the cube [-1, 1]^3, float32.

    The distance is a lower bound of the true one outside the object and negative inside. The colour is that of the
    surface nearest by this distance. Raises ValueError when points are not (N, 3).
    """
    return _run_evaluate(obj.primitives, points, want_colour=True)


def interior(obj: ProceduralObject, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether each of the points (N, 3) lies inside the object, (N,) bool."""
    return distances(obj.primitives, points) < 0


def pack(objects: Sequence[ProceduralObject]) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """Primitives of many objects as one (sum P, COLUMNS) array and their offsets (B + 1,)."""
    counts = [len(o.primitives) for o in objects]
    table = np.concatenate([o.primitives for o in objects]) if objects else np.zeros((0, COLUMNS), np.float32)
    return table, np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def render(
    objects: Sequence[ProceduralObject],
    azimuth: npt.ArrayLike | torch.Tensor,
    elevation: npt.ArrayLike | torch.Tensor,
    zoom: npt.ArrayLike | torch.Tensor,
    size: int,
    samples: int = 2,
    device: torch.device | str = "cpu",
    target: npt.ArrayLike | torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One picture of each of B objects from its own orbit camera (repeat an object to see it from many sides).

    azimuth, elevation: (B,) radians; zoom: (B,), 1 is the default framing, distance = 3 * zoom; target: (B, 3), the
    point looked at, the origin when None. samples: rays along each side of a pixel. device: a torch device, CPU or
    CUDA. Returns, on that device, albedo (B, size, size, 4) uint8 sRGB with straight alpha (0 in all channels
    where nothing is hit) and unit normals (B, size, size, 3) int8, 127 for 1, in the camera's frame (x right, y up,
    z towards the viewer).
    """
    return _trace(objects, azimuth, elevation, zoom, size, samples, device, target, False)[:2]


def render_with_positions(
    objects: Sequence[ProceduralObject],
    azimuth: npt.ArrayLike | torch.Tensor,
    elevation: npt.ArrayLike | torch.Tensor,
    zoom: npt.ArrayLike | torch.Tensor,
    size: int,
    samples: int = 2,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `render`, and positions (B, size, size, 3) float16: the mean place in the object's frame of what a pixel
    shows, 0 where nothing is hit."""
    return _trace(objects, azimuth, elevation, zoom, size, samples, device, None, True)


def _trace(
    objects: Sequence[ProceduralObject],
    azimuth: npt.ArrayLike | torch.Tensor,
    elevation: npt.ArrayLike | torch.Tensor,
    zoom: npt.ArrayLike | torch.Tensor,
    size: int,
    samples: int,
    device: torch.device | str,
    target: npt.ArrayLike | torch.Tensor | None,
    want_positions: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Albedo, normals and positions; the last are empty unless wanted."""
    count = len(objects)
    if size < 1 or samples < 1:
        raise ValueError(f"size and samples must be at least 1, not {size} and {samples}")
    cameras = np.zeros((count, 6), np.float32)
    for column, (name, value) in enumerate((("azimuth", azimuth), ("elevation", elevation), ("zoom", zoom))):
        numbers = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, dtype=np.float32)
        if numbers.shape not in ((), (count,)):
            raise ValueError(f"{name} must be one number or ({count},), not {numbers.shape}")
        cameras[:, column] = numbers
    cameras[:, 2] *= DISTANCE
    if target is not None:
        cameras[:, 3:] = np.asarray(target.detach().cpu() if isinstance(target, torch.Tensor) else target)
    where = torch.device(device)
    rgba = torch.zeros((count, size, size, 4), dtype=torch.uint8, device=where)
    normals = torch.zeros((count, size, size, 3), dtype=torch.int8, device=where)
    shape = (count, size, size, 3) if want_positions else (1, 1, 1, 3)
    positions = torch.zeros(shape, dtype=torch.float16, device=where)
    if count:
        table, offsets = pack(objects)
        wp_device = wp.device_from_torch(where)
        wp.launch(
            _trace_kernel,
            dim=(count, size, size),
            inputs=[
                wp.array(table, dtype=wp.float32, device=wp_device),
                wp.array(offsets, dtype=wp.int32, device=wp_device),
                wp.array(cameras, dtype=wp.float32, device=wp_device),
                size,
                samples,
                wp.from_torch(rgba, dtype=wp.uint8),
                wp.from_torch(normals, dtype=wp.int8),
                int(want_positions),
                wp.from_torch(positions, dtype=wp.float16),
            ],
            device=wp_device,
            stream=wp.stream_from_torch(torch.cuda.current_stream(where)) if where.type == "cuda" else None,
        )
    return rgba, normals, positions
