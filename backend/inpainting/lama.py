# SPDX-License-Identifier: GPL-3.0-or-later
"""LaMa, the large-mask inpainting network of Suvorov et al. 2022, so that files which users own can be loaded.

Convolutions with a local and a global half, the latter through a Fourier transform that sees the whole picture at
once. Module names follow the official checkpoints; the real and imaginary parts of a channel lie beside each other,
as those were trained. None ships with Maquette: a small one trained on a CPU is worse than our classical methods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from backend.inpainting.base import Hole, Picture, check, composite, nearest

Pair = tuple[Tensor, Tensor | None]
MULTIPLE = 8  # pixels; sides are padded to whole multiples


@dataclass(frozen=True)
class LamaConfig:
    """width: channels of the first layer; downs: halvings; blocks: residual blocks; share: of the channels that are
    global, in the last halving and the blocks. The defaults are Big LaMa's."""

    width: int = 64
    downs: int = 3
    blocks: int = 18
    share: float = 0.75


class Fourier(nn.Module):
    """A 1 x 1 convolution of the spectrum, (B, C, H, W) to the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")
        parts = torch.stack([spectrum.real, spectrum.imag], 2).flatten(1, 2)
        parts = torch.relu(self.bn(self.conv_layer(parts.to(x.dtype)))).float()
        parts = parts.view(batch, channels, 2, height, -1)
        return torch.fft.irfft2(torch.complex(parts[:, :, 0].contiguous(), parts[:, :, 1].contiguous()),
                                s=(height, width), norm="ortho").to(x.dtype)


class Spectral(nn.Module):
    """From global to global channels: to half of them, through the spectrum, and back."""

    def __init__(self, given: int, made: int):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(given, made // 2, 1, bias=False), nn.BatchNorm2d(made // 2), nn.ReLU())
        self.fu = Fourier(made // 2)
        self.conv2 = nn.Conv2d(made // 2, made, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(x + self.fu(x))


class FourierConvolution(nn.Module):
    """The fast Fourier convolution: four ways between local and global channels."""

    def __init__(self, given: int, made: int, kernel: int, shares: tuple[float, float], stride: int, padding: int):
        super().__init__()
        global_in, global_out = int(given * shares[0]), int(made * shares[1])
        local_in, local_out = given - global_in, made - global_out

        def way(one: int, two: int) -> nn.Module | None:
            if not one or not two:
                return None
            return nn.Conv2d(one, two, kernel, stride, padding, bias=False, padding_mode="reflect")

        self.convl2l, self.convl2g = way(local_in, local_out), way(local_in, global_out)
        self.convg2l = way(global_in, local_out)
        self.convg2g = Spectral(global_in, global_out) if global_in and global_out else None

    def forward(self, pair: Pair) -> Pair:
        near, far = pair
        local = _sum(self.convl2l, near, self.convg2l, far)
        assert local is not None
        return local, _sum(self.convl2g, near, self.convg2g, far)


class Step(nn.Module):
    """A Fourier convolution, normalised and rectified."""

    def __init__(self, given: int, made: int, kernel: int, shares: tuple[float, float], stride: int, padding: int):
        super().__init__()
        self.ffc = FourierConvolution(given, made, kernel, shares, stride, padding)
        made_global = int(made * shares[1])
        self.bn_l = nn.BatchNorm2d(made - made_global)
        self.bn_g = nn.BatchNorm2d(made_global) if made_global else None

    def forward(self, pair: Pair) -> Pair:
        near, far = self.ffc(pair)
        return torch.relu(self.bn_l(near)), None if far is None or self.bn_g is None else torch.relu(self.bn_g(far))


class Block(nn.Module):
    """Two steps and what came in."""

    def __init__(self, width: int, share: float):
        super().__init__()
        self.conv1 = Step(width, width, 3, (share, share), 1, 1)
        self.conv2 = Step(width, width, 3, (share, share), 1, 1)

    def forward(self, pair: Pair) -> Pair:
        near, far = self.conv2(self.conv1(pair))
        return near + pair[0], None if far is None or pair[1] is None else far + pair[1]


class Join(nn.Module):
    """Both halves as one."""

    def forward(self, pair: Pair) -> Tensor:
        return pair[0] if pair[1] is None else torch.cat([pair[0], pair[1]], 1)


class _Pad(nn.Module):
    """Reflected by 3 pixels on every side."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (3, 3, 3, 3), mode="reflect")


class Generator(nn.Module):
    """(B, 4, H, W), the masked picture in 0..1 and the mask (1 in the hole), to pictures (B, 3, H, W) in 0..1."""

    def __init__(self, config: LamaConfig | None = None):
        super().__init__()
        config = config or LamaConfig()
        layers: list[nn.Module] = [_Pad(), Step(4, config.width, 7, (0, 0), 1, 0)]
        width = config.width
        for number in range(config.downs):
            last = number == config.downs - 1
            layers.append(Step(width, 2 * width, 3, (0, config.share if last else 0), 2, 1))
            width *= 2
        layers += [Block(width, config.share) for _ in range(config.blocks)]
        layers.append(Join())
        for _ in range(config.downs):
            layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1), nn.BatchNorm2d(width // 2), nn.ReLU()]
            width //= 2
        layers += [_Pad(), nn.Conv2d(width, 3, 7), nn.Sigmoid()]
        self.model = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        joined = next(i for i, layer in enumerate(self.model) if isinstance(layer, Join))
        pair: Pair = (self.model[0](x), None)
        for layer in self.model[1:joined]:
            pair = layer(pair)
        x = self.model[joined](pair)
        for layer in self.model[joined + 1 :]:
            x = layer(x)
        return x


class Lama:
    """A LaMa network as an `Inpainter`.

    network: takes the picture (1, 3, H, W) in 0..1 and the mask (1, 1, H, W) of exactly 0 and 1, gives (1, 3, H, W).
    """

    def __init__(self, name: str, network: nn.Module, device: torch.device):
        self.name, self.network, self.device = name, network.to(device).eval(), device

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        unknown = check(picture, hole, beside)
        if not hole.any():
            return picture.copy()
        height, width = hole.shape
        beyond = ((0, -height % MULTIPLE), (0, -width % MULTIPLE))
        image = np.pad(nearest(picture[..., :3], unknown).clip(0, 1), (*beyond, (0, 0)), mode="symmetric")
        mask = np.pad(hole, beyond, mode="symmetric")
        with torch.inference_mode():
            given = torch.from_numpy(image).permute(2, 0, 1)[None].to(self.device)
            gap = torch.from_numpy(mask.astype(np.float32))[None, None].to(self.device)
            filled = self.network(given, gap)[0].permute(1, 2, 0).float().cpu().numpy()
        return composite(picture, hole, filled[:height, :width])


class Masked(nn.Module):
    """A generator as TorchScript files have it: picture and mask apart, the known pixels put back."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        made = self.generator(torch.cat([image * (1 - mask), mask], 1))
        return mask * made + (1 - mask) * image


def _sum(one: nn.Module | None, near: Tensor, two: nn.Module | None, far: Tensor | None) -> Tensor | None:
    parts = [] if one is None else [one(near)]
    if two is not None and far is not None:
        parts.append(two(far))
    return sum(parts[1:], parts[0]) if parts else None
