# SPDX-License-Identifier: GPL-3.0-or-later
"""What cameras see of a mesh, as the networks that are shown it read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from backend.embedded.geometry import averaged, geometry_channels

Shows = Literal["geometry", "depth", "normal"]
NEAREST, FARTHEST = 1.0, 0.15  # brightness of depth pictures at both ends of the object; the background is 0
SINGLE_CHANNELS = 3  # of depth and normal pictures: red, green, blue


@dataclass(frozen=True)
class Geometry:
    """What B cameras see of a mesh, at one square picture size.

    Attributes:
        normals: (B, 3, S, S) unit normals in each camera's frame (x right, y up, z towards the viewer), 0 off the mesh.
        coverage: (B, 1, S, S) 0..1, how much of each pixel the mesh fills.
        positions: (B, 3, S, S) mean place of what each pixel shows, in the default frame (the object's box centred,
            its farthest vertex at 0.9), 0 off the mesh.
        depth: (B, 1, S, S) mean distance along the view axis, 0 off the mesh.
    """

    normals: Tensor
    coverage: Tensor
    positions: Tensor
    depth: Tensor

    def __post_init__(self) -> None:
        count, _, height, width = self.coverage.shape
        for name, channels in (("normals", 3), ("coverage", 1), ("positions", 3), ("depth", 1)):
            if getattr(self, name).shape != (count, channels, height, width):
                raise ValueError(f"Geometry.{name} must be {(count, channels, height, width)}, "
                                 f"got {tuple(getattr(self, name).shape)}")

    def __len__(self) -> int:
        return len(self.coverage)

    def __getitem__(self, index: slice | Tensor) -> Geometry:
        """A subset of the views, by slice or index tensor."""
        return Geometry(self.normals[index], self.coverage[index], self.positions[index], self.depth[index])

    def smaller(self, factor: int) -> Geometry:
        """In pictures `factor` times smaller, each pixel the mean of what it covers."""
        if factor == 1:
            return self
        normals, coverage, positions = averaged(self.normals, self.coverage, self.positions, factor)
        depth = functional.avg_pool2d(self.depth * self.coverage, factor) / coverage.clamp_min(1e-6)
        return Geometry(normals, coverage, positions, depth)

    def picture(self, shows: Shows) -> Tensor:
        """(B, C, S, S) as a control network of that sort was trained to see it."""
        if shows == "geometry":
            return geometry_channels(self.normals, self.coverage, self.positions)
        if shows == "normal":
            # ScanNet's colours, of ControlNet 1.1's normal network: red to the left, green up, blue to the viewer.
            turned = self.normals * self.normals.new_tensor([-1.0, 1.0, 1.0]).view(1, 3, 1, 1)
            return (turned * 0.5 + 0.5) * self.coverage
        return self._depth_picture()

    def _depth_picture(self) -> Tensor:
        """Inverse depth over each view's own range, near bright (MiDaS's manner), three times the same."""
        there = self.coverage > 0
        inverse = torch.where(there, 1.0 / self.depth.clamp_min(1e-6), 0.0)
        high = inverse.amax((1, 2, 3), keepdim=True)
        low = torch.where(there, inverse, high).amin((1, 2, 3), keepdim=True)
        share = (inverse - low) / (high - low).clamp_min(1e-6)
        # A flat surface facing the camera has no range: all of it is near.
        share = torch.where(high - low > 1e-6, share, torch.ones_like(share))
        return ((FARTHEST + (NEAREST - FARTHEST) * share) * self.coverage).repeat(1, SINGLE_CHANNELS, 1, 1)
