# SPDX-License-Identifier: GPL-3.0-or-later
"""Rasterising triangles to a depth buffer, with barycentrics and attributes that carry gradients to vertices.

Triangles come in each camera's own frame (x right, y up, z towards the viewer, the eye at the origin), and coverage is
decided by the homogeneous edge functions of Olano and Greer 1997, so nothing has to be clipped and barycentrics are
perspective-correct by construction. One thread handles one triangle of one view; the nearest one wins by an atomic
minimum on depth and face number together, so the result does not depend on the order.
"""

from __future__ import annotations

from typing import Any

import torch
import warp as wp

from backend.kernels import runtime

wp.set_module_options({"enable_backward": False})

NEAR = wp.constant(1.0e-3)
"""Surface nearer to the eye than this (world units) is not seen."""
_SLACK = wp.constant(1.0e-6)
"""Barycentrics down to minus this count as inside, so that rounding leaves no hole between two triangles."""
EMPTY = 2**63 - 1
"""Key of what has no nearest: a pixel that nothing covers (and, in `silhouette`, a pair that no edge separates)."""


@wp.func
def pixel_x(p: wp.vec3, width: float, height: float, tangent: float):
    """Horizontal position in pixels, 0 at the image's left edge, of a point in front of the eye."""
    return 0.5 * width + 0.5 * height * p[0] / (-p[2] * tangent)


@wp.func
def pixel_y(p: wp.vec3, height: float, tangent: float):
    return 0.5 * height - 0.5 * height * p[1] / (-p[2] * tangent)


@wp.func
def _ray(i: int, j: int, width: int, height: int, tangent: float):
    """Direction (x, y, -1) through the centre of pixel column i, row j."""
    x = (2.0 * float(i) + 1.0 - float(width)) / float(height)
    y = 1.0 - (2.0 * float(j) + 1.0) / float(height)
    return wp.vec3(x * tangent, y * tangent, -1.0)


@wp.func
def _edge(vertices: wp.array2d(dtype=wp.vec3), view: int, first: int, second: int):
    """Cross product of two corners. The short difference keeps its precision for small triangles, and one fixed order
    gives both triangles of an edge exactly opposite values, so that no pixel falls between them."""
    low = vertices[view, wp.min(first, second)]
    high = vertices[view, wp.max(first, second)]
    return wp.cross(low, high - low) * wp.where(first < second, 1.0, -1.0)


@wp.kernel
def _scan(
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    tangents: wp.array(dtype=float),
    width: int,
    height: int,
    keys: wp.array3d(dtype=wp.int64),
):
    view, face = wp.tid()
    a = vertices[view, faces[face, 0]]
    b = vertices[view, faces[face, 1]]
    c = vertices[view, faces[face, 2]]
    tangent = tangents[view]
    w = float(width)
    h = float(height)
    left = wp.int32(0)
    right = width - 1
    top = wp.int32(0)
    bottom = height - 1
    nearest = wp.max(a[2], wp.max(b[2], c[2]))
    farthest = wp.min(a[2], wp.min(b[2], c[2]))
    if farthest < -NEAR:
        if nearest < -NEAR:
            # Wholly in front of the eye: only the box around the projected triangle matters.
            ax = pixel_x(a, w, h, tangent)
            bx = pixel_x(b, w, h, tangent)
            cx = pixel_x(c, w, h, tangent)
            ay = pixel_y(a, h, tangent)
            by = pixel_y(b, h, tangent)
            cy = pixel_y(c, h, tangent)
            left = int(wp.clamp(wp.ceil(wp.min(ax, wp.min(bx, cx)) - 0.501), 0.0, w))
            right = int(wp.clamp(wp.floor(wp.max(ax, wp.max(bx, cx)) - 0.499), -1.0, w - 1.0))
            top = int(wp.clamp(wp.ceil(wp.min(ay, wp.min(by, cy)) - 0.501), 0.0, h))
            bottom = int(wp.clamp(wp.floor(wp.max(ay, wp.max(by, cy)) - 0.499), -1.0, h - 1.0))
        if left <= right and top <= bottom:
            wa = _edge(vertices, view, faces[face, 1], faces[face, 2])
            wb = _edge(vertices, view, faces[face, 2], faces[face, 0])
            wc = _edge(vertices, view, faces[face, 0], faces[face, 1])
            volume = wp.dot(a, wp.cross(b - a, c - a))
            for j in range(top, bottom + 1):
                for i in range(left, right + 1):
                    d = _ray(i, j, width, height, tangent)
                    u = wp.dot(d, wa)
                    v = wp.dot(d, wb)
                    s = wp.dot(d, wc)
                    total = u + v + s
                    if total < 0.0:
                        u = -u
                        v = -v
                        s = -s
                    limit = -_SLACK * wp.abs(total)
                    if u >= limit and v >= limit and s >= limit and total != 0.0:
                        depth = volume / total
                        if depth > NEAR:
                            bits = wp.int64(wp.cast(depth, wp.int32))
                            key = (bits << wp.int64(32)) | wp.int64(face)
                            wp.atomic_min(keys, view, j, i, key)


@wp.kernel
def _resolve(
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    tangents: wp.array(dtype=float),
    width: int,
    height: int,
    face_image: wp.array3d(dtype=int),
    barycentric: wp.array3d(dtype=wp.vec3),
    depth: wp.array3d(dtype=float),
):
    view, j, i = wp.tid()
    face = face_image[view, j, i]
    if face >= 0:
        a = vertices[view, faces[face, 0]]
        b = vertices[view, faces[face, 1]]
        c = vertices[view, faces[face, 2]]
        d = _ray(i, j, width, height, tangents[view])
        u = wp.dot(d, _edge(vertices, view, faces[face, 1], faces[face, 2]))
        v = wp.dot(d, _edge(vertices, view, faces[face, 2], faces[face, 0]))
        s = wp.dot(d, _edge(vertices, view, faces[face, 0], faces[face, 1]))
        total = u + v + s
        if total != 0.0:
            barycentric[view, j, i] = wp.vec3(u, v, s) / total
            depth[view, j, i] = wp.dot(a, wp.cross(b - a, c - a)) / total


@wp.kernel
def _resolve_backward(
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    face_image: wp.array3d(dtype=int),
    barycentric: wp.array3d(dtype=wp.vec3),
    depth: wp.array3d(dtype=float),
    grad_barycentric: wp.array3d(dtype=wp.vec3),
    grad_depth: wp.array3d(dtype=float),
    grad_vertices: wp.array2d(dtype=wp.vec3),
):
    # The hit point is sum b_k p_k = depth * d with sum b_k = 1. Moving the corners by dp_k moves b by
    # b (1.M^-1 r) - M^-1 r and the depth by depth (1.M^-1 r), where M = [p_0 p_1 p_2] and r = sum b_k dp_k.
    view, j, i = wp.tid()
    face = face_image[view, j, i]
    if face >= 0:
        g = grad_barycentric[view, j, i]
        weight = barycentric[view, j, i]
        along = wp.dot(g, weight) + grad_depth[view, j, i] * depth[view, j, i]
        h = wp.vec3(along - g[0], along - g[1], along - g[2])
        a = vertices[view, faces[face, 0]]
        b = vertices[view, faces[face, 1]]
        c = vertices[view, faces[face, 2]]
        volume = wp.dot(a, wp.cross(b - a, c - a))
        if wp.abs(volume) > 1.0e-12:
            q = _edge(vertices, view, faces[face, 1], faces[face, 2]) * h[0]
            q += _edge(vertices, view, faces[face, 2], faces[face, 0]) * h[1]
            q += _edge(vertices, view, faces[face, 0], faces[face, 1]) * h[2]
            q = q / volume
            wp.atomic_add(grad_vertices, view, faces[face, 0], q * weight[0])
            wp.atomic_add(grad_vertices, view, faces[face, 1], q * weight[1])
            wp.atomic_add(grad_vertices, view, faces[face, 2], q * weight[2])


@wp.kernel
def _interpolate(
    attributes: wp.array2d(dtype=float),
    faces: wp.array2d(dtype=int),
    face_image: wp.array(dtype=int),
    barycentric: wp.array(dtype=wp.vec3),
    width: int,
    out: wp.array2d(dtype=float),
):
    i = wp.tid()
    face = face_image[i]
    if face >= 0:
        w = barycentric[i]
        a = faces[face, 0]
        b = faces[face, 1]
        c = faces[face, 2]
        for k in range(width):
            out[i, k] = w[0] * attributes[a, k] + w[1] * attributes[b, k] + w[2] * attributes[c, k]


@wp.kernel
def _interpolate_backward(
    attributes: wp.array2d(dtype=float),
    faces: wp.array2d(dtype=int),
    face_image: wp.array(dtype=int),
    barycentric: wp.array(dtype=wp.vec3),
    width: int,
    grad_out: wp.array2d(dtype=float),
    grad_attributes: wp.array2d(dtype=float),
    grad_barycentric: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    face = face_image[i]
    if face >= 0:
        w = barycentric[i]
        a = faces[face, 0]
        b = faces[face, 1]
        c = faces[face, 2]
        total = wp.vec3(0.0, 0.0, 0.0)
        for k in range(width):
            g = grad_out[i, k]
            total += wp.vec3(attributes[a, k], attributes[b, k], attributes[c, k]) * g
            wp.atomic_add(grad_attributes, a, k, g * w[0])
            wp.atomic_add(grad_attributes, b, k, g * w[1])
            wp.atomic_add(grad_attributes, c, k, g * w[2])
        grad_barycentric[i] = total


def scan(vertices: torch.Tensor, faces: torch.Tensor, tangents: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Nearest face of each pixel centre, (B, H, W) int32 with -1 where there is none; both sides of a face count.

    vertices (B, V, 3) float32 in the cameras' frames, faces (F, 3) int32, tangents (B,) of half the vertical field of
    view.
    """
    views, device = vertices.shape[0], vertices.device
    keys = torch.full((views, height, width), EMPTY, dtype=torch.int64, device=device)
    if faces.shape[0]:
        vertices, launches = vertices.contiguous(), []
        for some in runtime.parts(views, device):
            inputs = [runtime.view(vertices[some], wp.vec3), runtime.view(faces), runtime.view(tangents[some])]
            count = some.stop - some.start
            launches.append(((count, faces.shape[0]), [*inputs, width, height, runtime.view(keys[some])]))
        runtime.launch_all(_scan, launches, device)
    return (keys & 0xFFFFFFFF).to(torch.int32).masked_fill_(keys == EMPTY, -1)


class _Barycentric(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, vertices: torch.Tensor, faces: torch.Tensor, face_image: torch.Tensor, tangents: torch.Tensor
    ) -> Any:
        vertices, face_image = vertices.contiguous(), face_image.contiguous()
        views, height, width = face_image.shape
        barycentric = vertices.new_zeros((views, height, width, 3))
        depth = vertices.new_zeros((views, height, width))
        inputs = [runtime.view(vertices, wp.vec3), runtime.view(faces), runtime.view(tangents), width, height]
        inputs += [runtime.view(face_image), runtime.view(barycentric, wp.vec3), runtime.view(depth)]
        if faces.shape[0]:
            runtime.launch(_resolve, (views, height, width), inputs, vertices.device)
        ctx.save_for_backward(vertices, faces, face_image, barycentric, depth)
        return barycentric, depth

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_barycentric: torch.Tensor, grad_depth: torch.Tensor) -> Any:
        vertices, faces, face_image, barycentric, depth = ctx.saved_tensors
        grad_vertices = torch.zeros_like(vertices)
        inputs = [runtime.view(vertices, wp.vec3), runtime.view(faces), runtime.view(face_image)]
        inputs += [runtime.view(barycentric, wp.vec3), runtime.view(depth)]
        inputs += [runtime.view(grad_barycentric.contiguous(), wp.vec3), runtime.view(grad_depth.contiguous())]
        inputs += [runtime.view(grad_vertices, wp.vec3)]
        if faces.shape[0]:
            runtime.launch(_resolve_backward, tuple(face_image.shape), inputs, vertices.device)
        return grad_vertices, None, None, None


def barycentrics(
    vertices: torch.Tensor, faces: torch.Tensor, face_image: torch.Tensor, tangents: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Perspective-correct barycentrics (B, H, W, 3) and depth along the view axis (B, H, W) at pixel centres.

    Differentiable in vertices (B, V, 3), which are in the cameras' frames; face_image comes from `scan` or any other
    rasteriser. Zero where nothing is seen.
    """
    return _Barycentric.apply(vertices, faces, face_image, tangents)


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, attributes: torch.Tensor, faces: torch.Tensor, face_image: torch.Tensor, barycentric: torch.Tensor
    ) -> torch.Tensor:
        attributes, face_image, barycentric = attributes.contiguous(), face_image.contiguous(), barycentric.contiguous()
        width = attributes.shape[1]
        out = attributes.new_zeros((*face_image.shape, width))
        if faces.shape[0]:
            inputs = [runtime.view(attributes), runtime.view(faces), runtime.view(face_image.view(-1))]
            inputs += [runtime.view(barycentric.view(-1, 3), wp.vec3), width, runtime.view(out.view(-1, width))]
            runtime.launch(_interpolate, face_image.numel(), inputs, attributes.device)
        ctx.save_for_backward(attributes, faces, face_image, barycentric)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_out: torch.Tensor) -> Any:
        attributes, faces, face_image, barycentric = ctx.saved_tensors
        grad_attributes, grad_barycentric = torch.zeros_like(attributes), torch.zeros_like(barycentric)
        width = attributes.shape[1]
        if faces.shape[0]:
            inputs = [runtime.view(attributes), runtime.view(faces), runtime.view(face_image.view(-1))]
            inputs += [runtime.view(barycentric.view(-1, 3), wp.vec3), width]
            inputs += [runtime.view(grad_out.contiguous().view(-1, width)), runtime.view(grad_attributes)]
            inputs += [runtime.view(grad_barycentric.view(-1, 3), wp.vec3)]
            runtime.launch(_interpolate_backward, face_image.numel(), inputs, attributes.device)
        return grad_attributes, None, None, grad_barycentric


def interpolate(
    attributes: torch.Tensor, faces: torch.Tensor, face_image: torch.Tensor, barycentric: torch.Tensor
) -> torch.Tensor:
    """Per-vertex attributes (V, C) float32 at pixels: (..., C) for face_image (...) int32 and barycentric (..., 3).

    Differentiable in attributes and barycentric; zero where face_image is -1.
    """
    return _Interpolate.apply(attributes, faces, face_image, barycentric)
