# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors between images and the space in which a prior denoises.

Plain scaling for pixel priors, a VAE for latent ones.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from backend.priors.base import resize

FIT_IMAGES = 6  # enough equations for a linear map from 4 or 5 numbers a cell
FIT_SEED = 20221


class Codec(ABC):
    """Images (B, C, H, W) in 0..1 to a prior's own space and back.

    Attributes:
        resolution: pixels along an edge of the images that the prior was trained on.
        image_channels: 3 or 4.
        latent_shape: (C, h, w).
        latent_scale: pixels to a cell.
    """

    resolution: int
    image_channels: int
    latent_shape: tuple[int, int, int]
    latent_scale: int

    @abstractmethod
    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        """Differentiable; images of any size are resized first."""

    @abstractmethod
    def decode(self, x: Tensor) -> Tensor:
        """Clamped to 0..1, no gradient."""

    def _fit(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != self.image_channels:
            raise ValueError(f"expected images (B, {self.image_channels}, H, W), got {tuple(images.shape)}")
        return resize(images.float(), self.resolution)


class PixelCodec(Codec):
    """Pixels from 0..1 to -1..1."""

    def __init__(self, resolution: int, image_channels: int) -> None:
        self.resolution = resolution
        self.image_channels = image_channels
        self.latent_shape = (image_channels, resolution, resolution)
        self.latent_scale = 1

    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        return self._fit(images) * 2 - 1

    def decode(self, x: Tensor) -> Tensor:
        return (x.detach() * 0.5 + 0.5).clamp(0, 1)


class LatentCodec(Codec):
    """A diffusers AutoencoderKL.

    The latent of an image is the mode of the encoder's distribution, so that the same render always has the same
    latent. With `cheap`, values come from the encoder but gradients flow through the best linear map from averaged
    pixels to latents, fitted once: a VAE's latents are close to linear in colour, and the backward pass through the
    encoder is most of the cost of a fine-stage step.

    Args:
        vae: AutoencoderKL, on its device and in its dtype.
        resolution: pixels along an edge.

    Attributes:
        at_once: pictures that go through the VAE together where no gradient is wanted; 0 for all. A few fill a GPU, and
            more only take memory.
    """

    at_once: int = 0

    def __init__(self, vae: Any, resolution: int) -> None:
        self.vae = vae.eval().requires_grad_(False)
        self._device = vae.device
        self.image_channels = int(vae.config.in_channels)
        self.latent_scale = 2 ** (len(vae.config.block_out_channels) - 1)
        self._resize(resolution)
        self._factor = float(getattr(vae.config, "scaling_factor", 1.0))
        self._shift = float(getattr(vae.config, "shift_factor", None) or 0.0)
        self._linear: Tensor | None = None

    def at(self, resolution: int) -> LatentCodec:
        """The same VAE for pictures of another size."""
        other = copy.copy(self)
        other._resize(resolution)
        return other

    def _resize(self, resolution: int) -> None:
        self.resolution, cells = resolution, resolution // self.latent_scale
        self.latent_shape = (int(self.vae.config.latent_channels), cells, cells)

    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        pixels = self._fit(images) * 2 - 1
        if not cheap:
            return self._encode(pixels)
        with torch.no_grad():
            exact = self._encode(pixels)
        linear = functional.conv2d(functional.avg_pool2d(pixels, self.latent_scale), self.linear_map())
        return exact + linear - linear.detach()

    def decode(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            latents = (x.detach() / self._factor + self._shift).to(self.vae.dtype)
            made = [self.vae.decode(some, return_dict=False)[0].float() for some in self._some(latents)]
            return (torch.cat(made) * 0.5 + 0.5).clamp(0, 1)

    def linear_map(self) -> Tensor:
        """(C, image channels, 1, 1) the slope of the least-squares affine map from averaged pixels to latents."""
        if self._linear is None:
            generator = torch.Generator().manual_seed(FIT_SEED)
            size = min(self.resolution, 16 * self.latent_scale)
            # Coarse random patches: flat areas and edges, as in a render, rather than white noise.
            patches = torch.rand(FIT_IMAGES, self.image_channels, 5, 5, generator=generator)
            pixels = functional.interpolate(patches, size=(size, size), mode="bilinear").to(self._device) * 2 - 1
            with torch.no_grad():
                latents = self._encode(pixels)
            cells = functional.avg_pool2d(pixels, self.latent_scale).movedim(1, -1).flatten(0, 2)
            known = torch.cat([cells, torch.ones_like(cells[:, :1])], dim=1)
            # In double precision: LAPACK's last bits depend on where in memory its arguments lie, and a job that goes
            # on in another process must find the same map.
            wanted = latents.movedim(1, -1).flatten(0, 2)
            solution = torch.linalg.lstsq(known.double(), wanted.double()).solution
            self._linear = solution[:-1].float().T.reshape(latents.shape[1], self.image_channels, 1, 1).contiguous()
        return self._linear

    def _encode(self, pixels: Tensor) -> Tensor:
        parts = (pixels,) if torch.is_grad_enabled() else self._some(pixels)
        mode = torch.cat([self.vae.encode(some.to(self.vae.dtype)).latent_dist.mode().float() for some in parts])
        return (mode - self._shift) * self._factor

    def _some(self, batch: Tensor) -> tuple[Tensor, ...]:
        return batch.split(self.at_once or len(batch))
