# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches of pinhole cameras: poses, rays through pixel centres, and projection matrices.

World: Z up, right-handed, an object's front faces -Y. Azimuth 0 stands in front (at -Y) and grows counter-clockwise
seen from above; elevation grows upwards; both in radians. A camera looks along its own -Z with +Y up; images have the
top row first. Which cameras a recipe uses, and when, is the recipe's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from backend.transfer import sent

DEFAULT_FOV = math.radians(40.0)
"""Vertical field of view of the default camera, radians."""
DEFAULT_DISTANCE = 3.0
"""Distance of the default camera; with DEFAULT_FOV a sphere of radius 1.026 touches the frame."""


@dataclass(frozen=True)
class Cameras:
    """B cameras of one image size.

    camera_to_world (B, 4, 4) float32, fov_y (B,) vertical field of view in radians, width and height in pixels.
    azimuth, elevation (radians) and zoom (B,) describe the view for priors; zoom 1 is the default framing, less is a
    close-up. All tensors share a device.
    """

    camera_to_world: torch.Tensor
    fov_y: torch.Tensor
    width: int
    height: int
    azimuth: torch.Tensor
    elevation: torch.Tensor
    zoom: torch.Tensor

    def __post_init__(self) -> None:
        count = self.camera_to_world.shape[0]
        if self.camera_to_world.shape != (count, 4, 4):
            raise ValueError(f"cameras: camera_to_world must be (B, 4, 4), not {tuple(self.camera_to_world.shape)}")
        for name in ("fov_y", "azimuth", "elevation", "zoom"):
            if getattr(self, name).shape != (count,):
                raise ValueError(f"cameras: {name} must be ({count},), not {tuple(getattr(self, name).shape)}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"cameras: image size must be positive, not {self.width} x {self.height}")

    def __len__(self) -> int:
        return self.camera_to_world.shape[0]

    @property
    def device(self) -> torch.device:
        return self.camera_to_world.device

    @property
    def positions(self) -> torch.Tensor:
        """Camera centres (B, 3)."""
        return self.camera_to_world[:, :3, 3]

    @property
    def forward(self) -> torch.Tensor:
        """Unit viewing directions (B, 3)."""
        return -self.camera_to_world[:, :3, 2]

    def __getitem__(self, index: int | slice | torch.Tensor) -> Cameras:
        """The chosen cameras, as a batch (an integer gives a batch of one)."""
        if isinstance(index, int):
            index = slice(index, index + 1) if index != -1 else slice(index, None)
        names = ("camera_to_world", "fov_y", "azimuth", "elevation", "zoom")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def to(self, device: torch.device | str) -> Cameras:
        names = ("camera_to_world", "fov_y", "azimuth", "elevation", "zoom")
        return replace(self, **{name: sent(getattr(self, name), device) for name in names})

    def resized(self, width: int, height: int) -> Cameras:
        """The same views at another image size."""
        return replace(self, width=width, height=height)

    def rays(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Rays through pixel centres: origins (B, H, W, 3) and unit directions (B, H, W, 3), float32."""
        tangent = torch.tan(0.5 * self.fov_y)[:, None, None]
        device = self.device
        x = ((torch.arange(self.width, device=device) + 0.5) * 2.0 - self.width) / self.height
        y = 1.0 - (torch.arange(self.height, device=device) + 0.5) * (2.0 / self.height)
        shape = (len(self), self.height, self.width)
        local_x, local_y = (x[None, None, :] * tangent).expand(shape), (y[None, :, None] * tangent).expand(shape)
        local = torch.stack([local_x, local_y, torch.full_like(local_x, -1.0)], -1)
        local = local / local.norm(dim=-1, keepdim=True)
        directions = torch.einsum("bij,bhwj->bhwi", self.camera_to_world[:, :3, :3], local)
        origins = self.positions[:, None, None, :].expand_as(directions)
        return origins, directions

    def world_to_camera(self) -> torch.Tensor:
        """Rigid inverses of the poses (B, 4, 4)."""
        rotation = self.camera_to_world[:, :3, :3].transpose(1, 2)
        translation = -(rotation @ self.camera_to_world[:, :3, 3:])
        bottom = torch.zeros_like(rotation[:, :1])  # (0, 0, 0, 1), filled in where it lies
        bottom = torch.nn.functional.pad(bottom, (0, 1), value=1.0)
        return torch.cat([torch.cat([rotation, translation], 2), bottom], 1)

    def projection(self, near: float = 0.05, far: float = 100.0) -> torch.Tensor:
        """Perspective matrices (B, 4, 4) in OpenGL's convention (y up, depth -1 to 1)."""
        focal = 1.0 / torch.tan(0.5 * self.fov_y)
        matrix = self.camera_to_world.new_zeros((len(self), 4, 4))
        matrix[:, 0, 0] = focal * (self.height / self.width)
        matrix[:, 1, 1] = focal
        matrix[:, 2, 2] = -(far + near) / (far - near)
        matrix[:, 2, 3] = -2.0 * far * near / (far - near)
        matrix[:, 3, 2] = -1.0
        return matrix

    def to_clip(self, points: torch.Tensor, near: float = 0.05, far: float = 100.0) -> torch.Tensor:
        """World points (V, 3) in clip space (B, V, 4); differentiable."""
        matrix = self.projection(near, far) @ self.world_to_camera()
        return points @ matrix[:, :, :3].transpose(1, 2) + matrix[:, None, :, 3]

    def to_camera_frame(self, vectors: torch.Tensor) -> torch.Tensor:
        """World direction vectors (B, ..., 3) in each camera's own frame (x right, y up, z towards the viewer)."""
        return torch.einsum("bji,b...j->b...i", self.camera_to_world[:, :3, :3], vectors)


def look_at(position: torch.Tensor, target: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Poses (B, 4, 4) of cameras at `position` looking at `target` (all (B, 3)), with image-up towards `up`.

    Where `up` is parallel to the view (straight from above or below) the world's Y axis takes its place.
    """
    back = torch.nn.functional.normalize(position - target, dim=-1)
    right = torch.cross(up.expand_as(back), back, dim=-1)
    spare = back.new_tensor([0.0, 1.0, 0.0]).expand_as(back)
    parallel = right.norm(dim=-1, keepdim=True) < 1e-5
    right = torch.where(parallel, torch.cross(spare, back, dim=-1), right)
    right = torch.nn.functional.normalize(right, dim=-1)
    true_up = torch.cross(back, right, dim=-1)
    pose = position.new_zeros((position.shape[0], 4, 4))
    pose[:, :3, 0], pose[:, :3, 1], pose[:, :3, 2], pose[:, :3, 3] = right, true_up, back, position
    pose[:, 3, 3] = 1.0
    return pose


def direction(azimuth: torch.Tensor, elevation: torch.Tensor) -> torch.Tensor:
    """Unit vectors (..., 3) from the origin towards a viewer at azimuth and elevation (radians)."""
    flat = torch.cos(elevation)
    return torch.stack([torch.sin(azimuth) * flat, -torch.cos(azimuth) * flat, torch.sin(elevation)], -1)


def orbit(
    azimuth: torch.Tensor,
    elevation: torch.Tensor,
    distance: torch.Tensor | float = DEFAULT_DISTANCE,
    fov_y: torch.Tensor | float = DEFAULT_FOV,
    size: int | tuple[int, int] = 64,
    *,
    position_jitter: torch.Tensor | None = None,
    target: torch.Tensor | None = None,
    up_jitter: torch.Tensor | None = None,
) -> Cameras:
    """Cameras on a sphere around the origin.

    azimuth, elevation (B,) radians; distance and fov_y (radians) scalars or (B,); size is a side in pixels or (width,
    height). The optional (B, 3) tensors move the position, the point looked at, and the up vector (threestudio's
    jitter); azimuth, elevation and zoom kept on the result describe the unjittered view.
    """
    azimuth = torch.as_tensor(azimuth, dtype=torch.float32)
    elevation = torch.as_tensor(elevation, dtype=torch.float32, device=azimuth.device).expand_as(azimuth)
    distance = torch.as_tensor(distance, dtype=torch.float32, device=azimuth.device).expand_as(azimuth)
    fov_y = torch.as_tensor(fov_y, dtype=torch.float32, device=azimuth.device).expand_as(azimuth)
    if azimuth.ndim != 1:
        raise ValueError(f"orbit: azimuth must be (B,), not {tuple(azimuth.shape)}")
    if not (bool((distance > 0).all()) and bool(((fov_y > 0) & (fov_y < math.pi)).all())):
        raise ValueError("orbit: distance must be positive and fov_y between 0 and pi radians")
    width, height = (size, size) if isinstance(size, int) else size
    position = direction(azimuth, elevation) * distance[:, None]
    up = position.new_tensor([0.0, 0.0, 1.0]).expand_as(position)
    if position_jitter is not None:
        position = position + position_jitter
    if up_jitter is not None:
        up = up + up_jitter
    pose = look_at(position, torch.zeros_like(position) if target is None else target, up)
    zoom = distance * torch.tan(0.5 * fov_y) / (DEFAULT_DISTANCE * math.tan(0.5 * DEFAULT_FOV))
    return Cameras(pose, fov_y, width, height, azimuth, elevation, zoom)


def orbit_degrees(
    azimuth_degrees: list[float], elevation_degrees: float | list[float], size: int | tuple[int, int] = 64
) -> Cameras:
    """Default-framing cameras at azimuths and elevations in degrees: for previews, metrics and tests."""
    azimuth = torch.tensor(azimuth_degrees, dtype=torch.float32).deg2rad()
    elevation = torch.tensor(elevation_degrees, dtype=torch.float32).deg2rad()
    return orbit(azimuth, elevation.expand_as(azimuth), size=size)
