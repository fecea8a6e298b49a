# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash grid's race: our kernel against a pure-torch encoder that does exactly the same work.

The encoder works as the torch fallbacks of public NeRF code bases do: all levels of all points at once, eight gathers,
seven interpolations, gradients by autograd. Run alone it prints the table; the speed benchmark includes it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from backend.kernels.hash_grid import HashGridConfig, hash_encode, initial_table
from tests.benchmarks.timing import Race, race, table

POINTS = 65_536
BAR = 8.0
"""The issue's bar: forward plus backward at least this many times as fast."""


class TorchHashGrid:
    """The hash grid in plain torch operations, with the tables, hashing and interpolation of `HashGridConfig`."""

    def __init__(self, config: HashGridConfig, device: torch.device | str = "cpu") -> None:
        limit = 1 << config.log2_table_size
        sides = torch.tensor(config.resolutions, device=device) + 2
        self._dense = (sides**3 <= limit)[None]
        one = torch.ones_like(sides)
        self._strides_y = torch.where(self._dense[0], sides, one * 2654435761)
        self._strides_z = torch.where(self._dense[0], sides * sides, one * 805459861)
        self._first = torch.tensor(config.sizes, device=device).cumsum(0) - torch.tensor(config.sizes, device=device)
        self._half = torch.tensor(config.resolutions, device=device) * 0.5
        self._mask = limit - 1

    def __call__(self, points: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Points (N, 3) in [-1, 1]^3 to (N, 2 * levels)."""
        scaled = (points[:, None, :] + 1.0) * self._half[:, None] + 0.5
        low = scaled.detach().floor()
        part = scaled - low
        x, y, z = low.long().unbind(-1)
        xs, ys, zs = (
            (x, x + 1),
            (y * self._strides_y, (y + 1) * self._strides_y),
            (z * self._strides_z, (z + 1) * self._strides_z),
        )

        def look_up(i: int, j: int, k: int) -> torch.Tensor:
            hashed = (xs[i] ^ ys[j] ^ zs[k]) & self._mask
            return table[torch.where(self._dense, xs[i] + ys[j] + zs[k], hashed) + self._first]

        fx, fy, fz = part[..., 0:1], part[..., 1:2], part[..., 2:3]

        def along_x(j: int, k: int) -> torch.Tensor:
            return look_up(0, j, k) * (1 - fx) + look_up(1, j, k) * fx

        near = along_x(0, 0) * (1 - fy) + along_x(1, 0) * fy
        far = along_x(0, 1) * (1 - fy) + along_x(1, 1) * fy
        return (near * (1 - fz) + far * fz).flatten(1)


def hash_grid(
    repeats: int, device: torch.device | str = "cpu", settle: Callable[[], None] = lambda: None, bar: float = BAR
) -> list[Race]:
    """Encoding 65,536 points with gradients to the table, 16 levels: Magic3D's grid, and the draft preset's kind."""
    generator = torch.Generator().manual_seed(1)
    points = (torch.rand((POINTS, 3), generator=generator) * 2 - 1).to(device)
    races = []
    for name, config in (
        ("16 levels up to 4096", HashGridConfig()),
        ("16 levels up to 128", HashGridConfig(16, 15, 8, 16 ** (1 / 15))),
    ):
        values = initial_table(config, generator).to(device).requires_grad_()
        upstream = torch.randn((POINTS, config.width), generator=generator).to(device)
        plain = TorchHashGrid(config, device)

        def ours(values=values, config=config, upstream=upstream) -> None:  # noqa: ANN001
            values.grad = None
            hash_encode(points, values, config).backward(upstream)

        def theirs(values=values, plain=plain, upstream=upstream) -> None:  # noqa: ANN001
            values.grad = None
            plain(points, values).backward(upstream)

        contestants = {"ours": ours, "pure torch": theirs}
        title = f"hash grid, {POINTS:,} points, {name}, with gradients"
        races.append(
            race(title, contestants, repeats, settle=settle, bar=bar, against="pure torch",
                 note="all levels at once, autograd")
        )
    return races


if __name__ == "__main__":
    print(table(hash_grid(3)))
