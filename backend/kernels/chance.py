# SPDX-License-Identifier: GPL-3.0-or-later
"""Random numbers that are made where they are needed: a seed and a number each, and the same on every device.

Millions of them for every update of an occupancy grid would take a host longer to draw and to send than a GPU to use.
"""

from __future__ import annotations

import torch
import warp as wp

from backend.kernels import runtime

wp.set_module_options({"enable_backward": False})

_EACH = 4096
"""A range of fewer numbers is not worth a thread."""


@wp.kernel
def _uniform(
    seed: int, count: int, chunk: int, columns: int, numbers: wp.array(dtype=wp.int64), out: wp.array2d(dtype=float)
):
    block = wp.tid()
    for i in range(block * chunk, wp.min(count, (block + 1) * chunk)):
        state = wp.rand_init(seed, wp.int32(numbers[i]))
        for column in range(columns):
            out[i, column] = wp.randf(state)


def uniform(seed: int, numbers: torch.Tensor, columns: int) -> torch.Tensor:
    """(N, columns) float32, uniform in [0, 1), a row for each of `numbers` (N,) int64 in 0..2^31 - 1; on their device.

    seed: 0 to 2^31 - 1. A row depends on its number and the seed alone.
    """
    if numbers.ndim != 1 or numbers.dtype != torch.int64 or columns < 1 or not 0 <= seed < 2**31:
        raise ValueError(f"chance: numbers must be (N,) int64, columns 1 or more and the seed in 0..2^31 - 1, not "
                         f"{tuple(numbers.shape)} {numbers.dtype}, {columns}, {seed}")
    count, device = numbers.shape[0], numbers.device
    out = torch.empty((count, columns), device=device)
    numbers, chunk, launches = numbers.contiguous(), runtime.chunk_for(device), []
    for some in runtime.parts(count, device, _EACH):
        here = some.stop - some.start
        inputs = [seed, here, chunk, columns, runtime.view(numbers[some]), runtime.view(out[some])]
        launches.append(((here + chunk - 1) // chunk, inputs))
    runtime.launch_all(_uniform, launches, device)
    return out
