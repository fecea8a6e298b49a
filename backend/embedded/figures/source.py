# SPDX-License-Identifier: GPL-3.0-or-later
"""People as a source of shards: pictures with straight alpha, camera-frame normals and places, as the tracer's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from backend.avatar.body import Body
from backend.avatar.dress import dress
from backend.avatar.figure import Figure
from backend.avatar.landmarks import landmarks
from backend.geometry.mesh import vertex_normals
from backend.render.cameras import DEFAULT_FOV, orbit
from backend.render.raster import WarpRasteriser

from .captions import captions as captions_of
from .sampling import FigureSample, sample

RADIUS = 0.9  # of the sphere around what is framed
HEAD_ROOM = 1.75  # radius of the sphere around a head, in skull heights over the eyes


class Figures:
    """Dressed people behind the calls that `backend.embedded.training.dataset` makes."""

    def sample(self, rng: np.random.Generator, split: str) -> FigureSample:
        return sample(rng, split)

    def captions(self, thing: FigureSample, rng: np.random.Generator, count: int) -> list[str]:
        return captions_of(thing, rng, count)

    def label(self, thing: FigureSample) -> str:
        return thing.calling or "person"

    def render(
        self, things: list[Any], azimuth: npt.NDArray[np.float32], elevation: npt.NDArray[np.float32],
        zoom: npt.NDArray[np.float32], size: int, samples: int, device: str,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8], npt.NDArray[np.float16]]:  # fmt: skip
        """Albedo (B, S, S, 4), normals (B, S, S, 3) and places (B, S, S, 3); equal neighbours are dressed once."""
        parts = []
        start = 0
        while start < len(things):
            end = start
            while end < len(things) and things[end] is things[start]:
                end += 1
            view = slice(start, end)
            parts.append(pictures(things[start], azimuth[view], elevation[view], zoom[view], size, samples))
            start = end
        return tuple(np.concatenate(layer) for layer in zip(*parts, strict=True))  # type: ignore[return-value]


def joint_turns(body: Body, pose: tuple[tuple[str, tuple[float, float, float]], ...]) -> npt.NDArray[np.float64]:
    """(J, 3, 3) turns in the bones' own frames from rotation vectors in the body's space."""
    out = np.tile(np.eye(3), (len(body.rest), 1, 1))
    for name, vector in pose:
        j = body.asset.joint(name)
        angle = float(np.linalg.norm(vector))
        if angle < 1e-9:
            continue
        x, y, z = np.asarray(vector) / angle
        k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        turn = np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k
        frame = body.rest[j, :3, :3]
        out[j] = frame.T @ turn @ frame
    return out


def posed(figure: Figure, one: FigureSample) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """(vertices, triangles) of all parts in the sample's pose."""
    vertices, triangles = figure.joined()
    if one.pose:
        transforms = figure.body.transforms(joint_turns(figure.body, one.pose))
        vertices = np.concatenate([part.posed(figure.body, transforms) for part in figure.parts])
    return vertices, triangles


def framed(figure: Figure, one: FigureSample, vertices: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The vertices in the frame of the picture: its box, or the head, centred, farthest point at RADIUS."""
    if one.close:
        marks = landmarks(figure.body)
        head = figure.body.asset.joint("Head")
        turn = np.eye(4)
        if one.pose:
            turn = figure.body.transforms(joint_turns(figure.body, one.pose))[head]
        eyes = marks.eyes.mean(0)
        centre = np.array([0.0, marks.head_centre[1], eyes[2]])
        reach = HEAD_ROOM * (marks.levels[7] - eyes[2])
        centre = turn[:3, :3] @ centre + turn[:3, 3]
    else:
        centre = (vertices.min(0) + vertices.max(0)) / 2.0
        reach = float(np.linalg.norm(vertices - centre, axis=1).max())
    return ((vertices - centre) * (RADIUS / reach)).astype(np.float32)


def pictures(
    one: FigureSample, azimuth: npt.NDArray[np.float32], elevation: npt.NDArray[np.float32],
    zoom: npt.NDArray[np.float32], size: int, samples: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8], npt.NDArray[np.float16]]:  # fmt: skip
    """One figure from several sides; see `Figures.render`."""
    figure = dress(one.look)
    vertices, triangles = posed(figure, one)
    points = framed(figure, one, vertices)
    owner = np.repeat(np.arange(len(figure.parts)), [len(part.triangles) for part in figure.parts])
    if one.close:
        near = (np.abs(points[triangles]) < 1.6).all((1, 2))
        triangles, owner = triangles[near], owner[near]
    cameras = orbit(torch.from_numpy(np.asarray(azimuth)), torch.from_numpy(np.asarray(elevation)),
                    torch.from_numpy(np.asarray(zoom)) * 3.0, DEFAULT_FOV, size * samples)
    rasteriser = WarpRasteriser()
    faces = torch.from_numpy(np.ascontiguousarray(triangles))
    fragments = rasteriser.rasterise(torch.from_numpy(points), faces, cameras)
    normals = vertex_normals(points, triangles)
    columns = np.concatenate([*[part.fields for part in figure.parts]])
    values = rasteriser.interpolate(torch.from_numpy(np.concatenate([columns, normals, points], 1)), faces, fragments)
    seen = fragments.mask.numpy()
    at = values.numpy()[seen].astype(np.float64)
    part_of = owner[fragments.face.numpy()[seen]]
    width = columns.shape[1]
    colour = figure.colours_at(part_of, at[:, :width])
    normal = at[:, width : width + 3]
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    view = np.nonzero(seen)[0]
    turns = cameras.world_to_camera().numpy()[:, :3, :3]
    normal = np.einsum("nij,nj->ni", turns[view], normal)
    normal *= np.where(normal[:, 2:] < -0.2, -1, 1)  # the inside of a hem
    layers = np.zeros((*seen.shape, 10))
    layers[seen] = np.concatenate([np.ones((len(at), 1)), colour, normal, at[:, width + 3 :]], 1)
    count = len(layers)
    mean = layers.reshape(count, size, samples, size, samples, 10).mean((2, 4))
    alpha = mean[..., :1]
    whole = np.maximum(alpha, 1e-6)
    hit = alpha > 0
    albedo = np.concatenate([mean[..., 1:4] / whole, alpha], -1) * hit
    normals_out = mean[..., 4:7] / np.maximum(np.linalg.norm(mean[..., 4:7], axis=-1, keepdims=True), 1e-6)
    return ((255 * albedo + 0.5).astype(np.uint8), np.rint(127 * normals_out * hit).astype(np.int8),
            (mean[..., 7:] / whole * hit).astype(np.float16))


