# SPDX-License-Identifier: GPL-3.0-or-later
"""A small picture of a rigged mesh: its surface as shaded points, each in its bones' colours, the bones on top.

Quick and without a renderer; for thumbnails and for the contact sheets that people judge rigs by.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from protocol.skeleton import Skeleton, Weights

POINTS = 60_000
BONE, JOINT = (250, 250, 250, 255), (30, 30, 30, 255)

Floats = NDArray[np.float64]


def bone_colours(weights: Weights, joints: int) -> Floats:
    """(V, 3) sRGB 0..1: hues a golden angle apart, blended by weight."""
    hues = np.array([colorsys.hsv_to_rgb(0.618034 * joint % 1.0, 0.55, 0.95) for joint in range(joints)])
    return np.asarray(np.einsum("vk,vkc->vc", weights.values.astype(np.float64), hues[weights.joints]))


def picture(vertices: NDArray[np.floating], faces: NDArray[np.integer], colours: Floats | None = None,
            bones: tuple[Floats, Floats] | None = None, azimuth: float = 0.6, elevation: float = 0.2, size: int = 256,
            box: tuple[Floats, Floats] | None = None) -> NDArray[np.uint8]:
    """(size, size, 4) uint8, clear where there is nothing, of a mesh seen from azimuth and elevation (radians, 0 = from
    -Y). colours (V, 3) 0..1; bones: heads and tails (J, 3); box: what is framed, the mesh itself by default."""
    vertices = np.asarray(vertices, np.float64)
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    ahead = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0]) * np.cos(elevation) + [0, 0, -np.sin(elevation)]
    up = np.cross(right, ahead)
    low, high = box or (vertices.min(0), vertices.max(0))
    middle, radius = 0.5 * (low + high), 0.52 * float(np.linalg.norm(high - low)) or 1.0

    def project(points: Floats) -> Floats:
        away = (points - middle) / radius
        return np.asarray(0.5 * size * np.stack([1 + away @ right, 1 - away @ up], 1))

    corners = vertices[faces]
    vector = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(vector, axis=1)
    rng = np.random.default_rng(0)
    count = POINTS * max(size // 256, 1) ** 2
    chosen = rng.choice(len(faces), count, p=area / area.sum())
    u = rng.random((count, 2))
    u = np.where(u.sum(1, keepdims=True) > 1, 1 - u, u)
    share = np.c_[1 - u.sum(1), u]
    points = np.einsum("nk,nki->ni", share, corners[chosen])
    light = np.abs(vector[chosen] @ (0.4 * up - 0.8 * ahead - 0.4 * right)) / np.maximum(area[chosen], 1e-30)
    tint = np.full((count, 3), 0.75) if colours is None else np.einsum("nk,nkc->nc", share, colours[faces[chosen]])
    shade = np.clip(tint * (0.3 + 0.7 * np.clip(light, 0, 1))[:, None], 0, 1)
    cell = np.floor(project(points)).astype(int)
    image = np.zeros((size, size, 4), np.uint8)
    depth = np.full((size, size), np.inf)
    far = (points - middle) @ ahead
    spread = [(x, y) for x in (0, 1) for y in (0, 1)]
    places = [np.clip(cell + step, 0, size - 1) for step in spread]
    for place in places:
        np.minimum.at(depth, (place[:, 1], place[:, 0]), far)
    for place in places:
        front = far <= depth[place[:, 1], place[:, 0]] + 1e-3 * radius
        image[place[front, 1], place[front, 0]] = np.c_[255 * shade[front], np.full(front.sum(), 255)].astype(np.uint8)
    if bones is None:
        return image
    drawn = Image.fromarray(image)
    pen = ImageDraw.Draw(drawn)
    for head, tail in zip(project(np.asarray(bones[0], np.float64)), project(np.asarray(bones[1], np.float64)),
                          strict=True):
        pen.line([tuple(head), tuple(tail)], fill=JOINT, width=max(size // 90, 3))
        pen.line([tuple(head), tuple(tail)], fill=BONE, width=max(size // 200, 1))
    return np.asarray(drawn)


def portrait(vertices: NDArray[np.floating], faces: NDArray[np.integer], skeleton: Skeleton, weights: Weights
             ) -> NDArray[np.uint8]:
    """(256, 256, 4) uint8: the thumbnail of a rig."""
    return picture(vertices, faces, bone_colours(weights, len(skeleton)),
                   (skeleton.heads.astype(np.float64), skeleton.tails.astype(np.float64)))
