# SPDX-License-Identifier: GPL-3.0-or-later
"""Several threads on a CPU: the same bits as one, every launch done, and failures seen."""

import pytest
import torch
import warp as wp

from backend.kernels import rasterise, runtime
from backend.kernels.composite import composite
from backend.kernels.hash_grid import HashGridConfig, hash_encode, hash_point_gradient
from backend.kernels.ray_march import march

CONFIG = HashGridConfig(levels=5, log2_table_size=10, base_resolution=4, growth=1.7)


@pytest.fixture
def threads():
    """Sets torch's number of threads; one again afterwards."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


def everything(seed: int) -> list[torch.Tensor]:
    """Results and gradients of every kernel that shares its work out, on inputs large enough to be shared."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand((20_000, 3), generator=generator) * 2 - 1
    table = torch.randn((CONFIG.entries, 2), generator=generator).requires_grad_()
    upstream = torch.randn((20_000, CONFIG.width), generator=generator)
    features = hash_encode(points, table, CONFIG)
    slopes = hash_point_gradient(points, table, upstream, CONFIG)
    ((features * upstream).sum() + slopes.square().sum()).backward()
    origins = torch.nn.functional.normalize(torch.randn((3000, 3), generator=generator), dim=1) * 3
    aim = torch.rand((3000, 3), generator=generator) - 0.5
    occupied = (torch.rand((8, 8, 8), generator=generator) < 0.5).to(torch.uint8)
    samples = march(origins, torch.nn.functional.normalize(aim - origins, dim=1), occupied, step=0.1, seed=3)
    density = torch.rand(len(samples), generator=generator).requires_grad_()
    values = torch.rand((len(samples), 3), generator=generator).requires_grad_()
    image = composite(density, values, samples.t, samples.offsets, 0.1)
    sum(part.sum() for part in image).backward()
    corners = torch.randn((4, 300, 3), generator=generator) - torch.tensor([0.0, 0.0, 4.0])
    faces = torch.randint(300, (200, 3), generator=generator, dtype=torch.int32)
    seen = rasterise.scan(corners, faces, torch.full((4,), 0.5), 32, 32)
    kept = [features, slopes, table.grad, samples.positions, samples.ray_index, *image, density.grad, values.grad, seen]
    return [tensor.detach() for tensor in kept]


def test_the_number_of_threads_does_not_change_a_bit(threads):
    threads(1)
    alone = everything(1)
    threads(4)
    for _ in range(3):
        assert all(torch.equal(one, other) for one, other in zip(alone, everything(1), strict=True))


@wp.kernel(enable_backward=False)
def _count(numbers: wp.array(dtype=int)):
    i = wp.tid()
    numbers[i] = numbers[i] + 1


def test_every_launch_is_done_once(threads):
    threads(3)
    numbers = torch.zeros(1000, dtype=torch.int32)
    launches = [(10, [runtime.view(numbers[k : k + 10])]) for k in range(0, 1000, 10)]
    runtime.launch_all(_count, launches, numbers.device)
    assert bool((numbers == 1).all())


def test_a_failing_launch_is_heard_of(threads):
    threads(3)
    numbers = torch.zeros(10, dtype=torch.int32)
    good, bad = (10, [runtime.view(numbers)]), (10, [])
    with pytest.raises(RuntimeError):
        runtime.launch_all(_count, [good, bad, bad, bad], numbers.device)


def test_parts_cover_everything_once(threads):
    threads(4)
    cpu = torch.device("cpu")
    assert runtime.parts(0, cpu) == []
    assert runtime.parts(100, cpu, 60) == [slice(0, 100)]
    assert runtime.parts(10, cpu) == [slice(0, 2), slice(2, 5), slice(5, 7), slice(7, 10)]
    assert runtime.parts(10, torch.device("cuda")) == [slice(0, 10)]
