# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure-torch encoder that our kernel races does the same work: same values, same gradients."""

import torch

from backend.kernels.hash_grid import HashGridConfig, hash_encode, initial_table
from tests.benchmarks.kernels import TorchHashGrid

torch.set_num_threads(1)


def test_the_plain_encoder_agrees_with_ours():
    config = HashGridConfig(levels=5, log2_table_size=10, base_resolution=4, growth=1.8)
    generator = torch.Generator().manual_seed(5)
    points = torch.rand((500, 3), generator=generator) * 2 - 1
    upstream = torch.randn((500, config.width), generator=generator)
    results = []
    for encode in (lambda p, t: hash_encode(p, t, config), TorchHashGrid(config)):
        values = initial_table(config, torch.Generator().manual_seed(6), scale=1.0).requires_grad_()
        features = encode(points, values)
        features.backward(upstream)
        results.append((features.detach(), values.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
