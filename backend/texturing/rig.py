# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the views of painting stand: rings around the object, the directions that newly see most, or given cameras.

Everything is in the frame that the default cameras look at: the object's box centred at the origin, its farthest
vertex at RADIUS. `Frame` is the way there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from backend.geometry.mesh import Mesh, face_areas, face_normals, vertex_normals
from backend.render.cameras import DEFAULT_DISTANCE, DEFAULT_FOV, Cameras, direction, orbit
from backend.render.raster import Rasteriser
from backend.texturing.canvas import NothingSeen
from backend.texturing.projection import Projector

RADIUS = 0.9
"""Bounding-sphere radius of an object in the default cameras' frame; what our own priors were trained with."""
CANDIDATES = 60  # directions that a rig is chosen from
SAMPLES = 4000  # places of the surface that their views are judged by
ENOUGH = 0.98  # share of what can be reached at all at which a rig is finished
COARSE = 160  # height of the depth pictures for choosing
NARROW = math.radians(25.0)  # field of view of close views
SMALLEST = 0.02  # radius of a part that close views frame, at least

Samples = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Frame:
    """The map p -> (p - centre) * scale from an object's own frame into that of the default cameras."""

    centre: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, vertices: NDArray[np.float32]) -> Frame:
        """For vertices (V, 3). Raises ValueError when they are all in one place."""
        low, high = vertices.min(0).astype(np.float64), vertices.max(0).astype(np.float64)
        centre = (low + high) / 2.0
        farthest = float(np.linalg.norm(vertices - centre, axis=1).max())
        if farthest <= 0:
            raise ValueError("all vertices are in one place")
        return cls(centre, RADIUS / farthest)

    def vertices(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """(V, 3) in the cameras' frame."""
        return ((vertices - self.centre) * self.scale).astype(np.float32)

    def back(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """(V, 3) from the cameras' frame into the object's own."""
        return (vertices / self.scale + self.centre).astype(np.float32)

    def cameras(self, poses: NDArray[np.float32], fields_of_view: NDArray[np.float32]) -> Cameras:
        """Cameras of camera-to-world matrices (B, 4, 4), without scale, and vertical angles (B,) in radians.

        Azimuth, elevation and zoom, which tell a prior the view, are those of the direction in which the object lies.
        """
        pose = torch.from_numpy(np.ascontiguousarray(poses, np.float32)).clone()
        place = (pose[:, :3, 3].double() - torch.from_numpy(self.centre)) * self.scale
        pose[:, :3, 3] = place.float()
        distance = place.norm(dim=-1).clamp_min(1e-6)
        fov = torch.from_numpy(np.ascontiguousarray(fields_of_view, np.float32))
        zoom = distance.float() * torch.tan(0.5 * fov) / (DEFAULT_DISTANCE * math.tan(0.5 * DEFAULT_FOV))
        azimuth = torch.atan2(place[:, 0], -place[:, 1]).float()
        elevation = torch.asin((place[:, 2] / distance).clamp(-1, 1)).float()
        return Cameras(pose, fov, 128, 128, azimuth, elevation, zoom)


def ring(count: int, elevations: tuple[float, ...] = (10.0, 35.0), above: float = 60.0, size: int = 128) -> Cameras:
    """`count` cameras around the object, the first in front, their elevations in degrees taken in turn, and one more
    at `above` degrees over the front (none where that is not above 0)."""
    azimuth = [2 * math.pi * i / count for i in range(count)]
    elevation = [math.radians(elevations[i % len(elevations)]) for i in range(count)]
    if above > 0:
        azimuth.append(0.0)
        elevation.append(math.radians(above))
    return orbit(torch.tensor(azimuth), torch.tensor(elevation), size=size)


def coverage(
    mesh: Mesh,
    count: int,
    rasteriser: Rasteriser,
    device: torch.device,
    elevations: tuple[float, float] = (-90.0, 90.0),
    two_sided: bool = False,
) -> Cameras:
    """At most `count` cameras, each the direction that adds most to what those before it see; the front comes first.

    A place of the surface counts by the square of its best cosine. It ends earlier when ENOUGH of what all CANDIDATES
    together can reach is reached. elevations: lowest and highest direction allowed, degrees.
    """
    cameras = orbit(*_directions(elevations), size=COARSE).to(device)
    return _greedy(mesh, cameras, _surface_samples(mesh), count, rasteriser, two_sided, [0])


def facing(
    mesh: Mesh,
    samples: Samples,
    count: int,
    rasteriser: Rasteriser,
    device: torch.device,
    elevations: tuple[float, float] = (-90.0, 90.0),
    two_sided: bool = False,
    close: float = 0.0,
) -> Cameras:
    """At most `count` cameras before a part of the surface, as `coverage` chooses them.

    Args:
        samples: (points, smooth normals, flat normals) of the part, each (N, 3); of many, some are taken.
        close: 0 for the default framing of the whole object; otherwise how much wider than the part the pictures are,
            seen from afar through a narrow angle, so that patterns are hardly foreshortened.

    Raises NothingSeen when none of the directions sees any of it.
    """
    points, normals, flat = (one[:: -(-len(one) // SAMPLES)] for one in samples)
    azimuth, elevation = _directions(elevations)
    if close:
        low, high = points.min(0), points.max(0)
        centre = torch.from_numpy((low + high) / 2)
        radius = max(float(np.linalg.norm(points - centre.numpy(), axis=1).max()), SMALLEST)
        towards = direction(azimuth, elevation)
        aside = (centre - (towards @ centre)[:, None] * towards).norm(dim=-1)
        # Beyond the object there is nothing to see.
        half = torch.clamp(1.05 * RADIUS + aside, max=close * radius).clamp_min(1.2 * radius)
        # What a narrow camera stands in front of must not stand behind it: it stays outside of the whole object.
        distance = (half / math.tan(0.5 * NARROW)).clamp_min(2.5 * RADIUS)
        target = centre.expand(len(azimuth), 3)
        moved = orbit(azimuth, elevation, distance, 2 * torch.atan(half / distance), COARSE, target=target,
                      position_jitter=target)
        cameras = moved.to(device)
    else:
        cameras = orbit(azimuth, elevation, size=COARSE).to(device)
    return _greedy(mesh, cameras, (points, normals, flat), count, rasteriser, two_sided, [])


def _greedy(
    mesh: Mesh, cameras: Cameras, samples: Samples, count: int, rasteriser: Rasteriser, two_sided: bool,
    chosen: list[int],
) -> Cameras:
    """Those of the cameras that add most to the samples' squared cosines, one after another, after those `chosen`."""
    vertices = torch.from_numpy(mesh.vertices).to(cameras.device)
    faces = torch.from_numpy(mesh.faces).to(cameras.device)
    projector = Projector(*samples, vertices, faces, cameras, rasteriser, two_sided, COARSE)
    worth = projector.facing().square()  # (candidates, samples)
    reachable = float(worth.amax(0).sum())
    if reachable <= 0 and not chosen:
        raise NothingSeen("no direction sees it")
    best = worth[chosen].amax(0) if chosen else torch.zeros_like(worth[0])
    while len(chosen) < count and float(best.sum()) < ENOUGH * reachable:
        gain = (worth - best).clamp_min(0).sum(1)
        chosen.append(int(gain.argmax()))
        best = torch.maximum(best, worth[chosen[-1]])
    return cameras[torch.tensor(chosen)].resized(128, 128)


def _directions(elevations: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """(azimuth, elevation) of the front view and of directions spread evenly (Fibonacci) between two elevations."""
    low, high = (math.sin(math.radians(angle)) for angle in elevations)
    index = torch.arange(CANDIDATES, dtype=torch.float32)
    elevation = torch.asin((low + (high - low) * (index + 0.5) / CANDIDATES).clamp(-1, 1))
    azimuth = torch.remainder(index * math.pi * (3 - math.sqrt(5)), 2 * math.pi)
    front = torch.tensor([math.radians(15.0)]).clamp(math.radians(elevations[0]), math.radians(elevations[1]))
    return torch.cat([torch.zeros(1), azimuth]), torch.cat([front, elevation])


def _surface_samples(mesh: Mesh) -> Samples:
    """(points, smooth normals, flat normals), each (SAMPLES, 3), evenly over the area and always the same."""
    rng = np.random.default_rng(0)
    area = np.cumsum(face_areas(mesh.vertices, mesh.faces))
    if not len(area) or area[-1] <= 0:
        raise ValueError("a mesh without area has no surface to look at")
    face = np.searchsorted(area, (np.arange(SAMPLES) + 0.5) / SAMPLES * area[-1]).clip(max=len(area) - 1)
    u, v = np.sqrt(rng.random(SAMPLES)), rng.random(SAMPLES)
    share = np.stack([1 - u, u * (1 - v), u * v], 1)[:, :, None]
    corners = mesh.faces[face]
    points = (mesh.vertices[corners] * share).sum(1)
    flat = face_normals(mesh.vertices, mesh.faces)[face]
    smooth = (vertex_normals(mesh.vertices, mesh.faces)[corners] * share).sum(1)
    length = np.linalg.norm(smooth, axis=1, keepdims=True)
    smooth = np.where(length > 1e-6, smooth / np.maximum(length, 1e-6), flat)
    return points.astype(np.float32), smooth.astype(np.float32), flat.astype(np.float32)
