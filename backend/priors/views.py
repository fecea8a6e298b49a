# SPDX-License-Identifier: GPL-3.0-or-later
"""How a prior is told from where an object is seen and how it is lit.

A `ViewCondition` holds one camera and one light an image. It turns into the numbers that our embedded prior was
trained with, into camera matrices for multi-view models of the MVDream kind, and into words ("front view") for priors
that know nothing but text. World conventions are those of the renderer: azimuth 0 looks at the front (-Y), positive
azimuth turns counter-clockwise seen from above; angles are radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor

ViewWord = Literal["front", "side", "back", "overhead"]
VIEW_WORDS: tuple[ViewWord, ...] = ("front", "side", "back", "overhead")
VIEW_NUMBERS = 11

# threestudio's prompt processor: 45 degrees either side of front and back, overhead above 60 degrees of elevation.
FRONT_HALF_ANGLE = math.radians(45)
BACK_HALF_ANGLE = math.radians(45)
OVERHEAD_ELEVATION = math.radians(60)


@dataclass(frozen=True)
class ViewCondition:
    """Cameras and lights of B images.

    Attributes:
        azimuth: (B,) float32, radians.
        elevation: (B,) float32, radians, in -pi/2..pi/2.
        zoom: (B,) float32 above 0; 1 is the default framing, below 1 a close-up.
        lit: (B,) float32; 0 = the image shows plain surface colour, 1 = it is shaded by `light`.
        light: (B, 3) float32, unit vector towards the light in the camera frame (x right, y up, z to the viewer).
            Ignored where `lit` is 0.
    """

    azimuth: Tensor
    elevation: Tensor
    zoom: Tensor
    lit: Tensor
    light: Tensor

    def __post_init__(self) -> None:
        count = self.azimuth.shape[0] if self.azimuth.ndim else -1
        for field, shape in (("azimuth", (count,)), ("elevation", (count,)), ("zoom", (count,)), ("lit", (count,)),
                             ("light", (count, 3))):
            value = getattr(self, field)
            if tuple(value.shape) != shape or not value.is_floating_point():
                raise ValueError(f"ViewCondition.{field} must be floating point of shape {shape}, "
                                 f"got {value.dtype} {tuple(value.shape)}")

    @classmethod
    def albedo(cls, azimuth: Tensor, elevation: Tensor, zoom: Tensor | None = None) -> ViewCondition:
        """Unlit views: the images show surface colour only. `zoom` None means 1 everywhere."""
        return cls(azimuth, elevation, torch.ones_like(azimuth) if zoom is None else zoom,
                   torch.zeros_like(azimuth), azimuth.new_zeros(len(azimuth), 3))

    @classmethod
    def shaded(cls, azimuth: Tensor, elevation: Tensor, zoom: Tensor | None, light: Tensor) -> ViewCondition:
        """Views shaded by one directional light each; `light` (B, 3) in the camera frame, any length above 0."""
        return cls(azimuth, elevation, torch.ones_like(azimuth) if zoom is None else zoom,
                   torch.ones_like(azimuth), torch.nn.functional.normalize(light, dim=-1))

    @classmethod
    def from_cameras(cls, cameras: Any, lit: Tensor | None = None, light: Tensor | None = None) -> ViewCondition:
        """From `backend.render.cameras.Cameras` (its azimuth, elevation and zoom). `lit` None means unlit."""
        azimuth = cameras.azimuth.float()
        lit = torch.zeros_like(azimuth) if lit is None else lit.to(azimuth)
        light = azimuth.new_zeros(len(azimuth), 3) if light is None else light.to(azimuth)
        return cls(azimuth, cameras.elevation.float(), cameras.zoom.float(), lit, light)

    @classmethod
    def turntable(cls, count: int, elevation: float = math.radians(15), zoom: float = 1.0,
                  start: float = 0.0, device: torch.device | str = "cpu") -> ViewCondition:
        """`count` unlit views spread evenly over the circle, the first at azimuth `start`."""
        azimuth = start + torch.arange(count, device=device, dtype=torch.float32) * (2 * math.pi / count)
        return cls.albedo(azimuth, torch.full_like(azimuth, elevation), torch.full_like(azimuth, zoom))

    def __len__(self) -> int:
        return int(self.azimuth.shape[0])

    def __getitem__(self, index: slice | Tensor) -> ViewCondition:
        """A subset of the views, by slice or index tensor."""
        return ViewCondition(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: torch.device | str) -> ViewCondition:
        return ViewCondition(*(getattr(self, f.name).to(device) for f in fields(self)))

    def repeat(self, times: int) -> ViewCondition:
        """All views again, `times` in a row: (view 0, view 1, ..., view 0, view 1, ...)."""
        return self.concatenate([self] * times)

    @staticmethod
    def concatenate(parts: list[ViewCondition]) -> ViewCondition:
        return ViewCondition(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(ViewCondition)))

    def numbers(self) -> Tensor:
        """(B, 11) float32, the camera and light vector of the embedded prior.

        [sin az, cos az, sin 2az, cos 2az, sin el, cos el, log zoom, lit, light x, light y, light z]; the light is 0
        in unlit views, so that one image has exactly one description.
        """
        azimuth, elevation, lit = self.azimuth, self.elevation, self.lit
        return torch.cat([
            torch.stack([azimuth.sin(), azimuth.cos(), (2 * azimuth).sin(), (2 * azimuth).cos(),
                         elevation.sin(), elevation.cos(), self.zoom.log(), lit], dim=-1),
            self.light * lit[:, None],
        ], dim=-1).float()

    def words(self) -> list[ViewWord]:
        """One of front, side, back, overhead for each view (thresholds 45 / 45 / 60 degrees)."""
        from_front = torch.remainder(self.azimuth + math.pi, 2 * math.pi) - math.pi
        chosen: list[ViewWord] = []
        for angle, elevation in zip(from_front.abs().tolist(), self.elevation.tolist(), strict=True):
            if elevation > OVERHEAD_ELEVATION:
                chosen.append("overhead")
            elif angle < FRONT_HALF_ANGLE:
                chosen.append("front")
            elif angle > math.pi - BACK_HALF_ANGLE:
                chosen.append("back")
            else:
                chosen.append("side")
        return chosen

    def camera_matrices(self) -> Tensor:
        """(B, 16) camera-to-world matrices, row after row, with the position on the unit sphere.

        The form that MVDream was trained with (Shi et al. 2023, section 3.2): Z up, camera looking along its -Z.
        """
        sin_a, cos_a = self.azimuth.sin(), self.azimuth.cos()
        sin_e, cos_e = self.elevation.sin(), self.elevation.cos()
        zero, one = torch.zeros_like(sin_a), torch.ones_like(sin_a)
        backward = torch.stack([sin_a * cos_e, -cos_a * cos_e, sin_e], dim=-1)
        right = torch.stack([cos_a, sin_a, zero], dim=-1)
        up = torch.linalg.cross(backward, right)
        rows = torch.stack([right, up, backward, backward], dim=-1)
        last = torch.stack([zero, zero, zero, one], dim=-1)
        return torch.cat([rows.flatten(1), last], dim=-1).float()
