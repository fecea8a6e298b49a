# SPDX-License-Identifier: GPL-3.0-or-later
"""Ray marching against a plain loop over the same lattice of samples, and its limits and seeds."""

import math

import pytest
import torch

from backend.kernels.ray_march import march, step_for


def rays(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rays from a sphere of radius 3 towards places in and near the cube; some miss it."""
    origins = torch.nn.functional.normalize(torch.randn((count, 3), generator=generator), dim=1) * 3
    targets = torch.rand((count, 3), generator=generator) * 3 - 1.5
    return origins, torch.nn.functional.normalize(targets - origins, dim=1)


def lattice(origin: torch.Tensor, direction: torch.Tensor, occupied: torch.Tensor, step: float) -> list[float]:
    """Mid-step distances of all lattice samples in occupied cells, in float64, skipping nothing."""
    origin, direction = origin.double(), direction.double()
    walls = torch.stack([(-1 - origin) / direction, (1 - origin) / direction])
    near = max(0.0, float(walls.min(0).values.max()))
    far = float(walls.max(0).values.min())
    side, kept, k = occupied.shape[0], [], 0
    while (t := near + (k + 0.5) * step) < far:
        cell = ((origin + direction * t + 1) * 0.5 * side).long().clamp(0, side - 1)
        if occupied[tuple(cell.tolist())]:
            kept.append(t)
        k += 1
    return kept


def test_samples_are_those_of_a_plain_loop(device, generator):
    origins, directions = rays(64, generator)
    occupied = (torch.rand((8, 8, 8), generator=generator) < 0.3).to(torch.uint8)
    step = step_for(200)
    samples = march(origins.to(device), directions.to(device), occupied.to(device), step=step)
    offsets, differences = samples.offsets.tolist(), 0
    assert offsets[0] == 0 and offsets[-1] == len(samples) > 500
    for ray in range(64):
        ours = samples.t[offsets[ray] : offsets[ray + 1]].cpu().double()
        theirs = torch.tensor(lattice(origins[ray], directions[ray], occupied, step), dtype=torch.float64)
        assert bool((samples.ray_index[offsets[ray] : offsets[ray + 1]] == ray).all())
        # A sample on a cell wall may fall to either side of it in float32.
        differences += abs(len(ours) - len(theirs))
        if len(ours) == len(theirs) and len(ours):
            assert float((ours - theirs).abs().max()) < 1e-4
    assert differences <= 3
    places = samples.positions.cpu()
    expected = (
        origins[samples.ray_index.cpu().long()] + directions[samples.ray_index.cpu().long()] * samples.t.cpu()[:, None]
    )
    torch.testing.assert_close(places, expected, atol=1e-5, rtol=0)
    assert float(places.abs().max()) <= 1.0 + 1e-5


def test_a_full_grid_covers_the_chord(device):
    origins = torch.tensor([[0.0, -3.0, 0.0], [5.0, -3.0, 0.0]], device=device)
    directions = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]], device=device)
    occupied = torch.ones((4, 4, 4), dtype=torch.uint8, device=device)
    samples = march(origins, directions, occupied, step=0.1)
    assert samples.offsets.tolist() == [0, 20, 20]
    assert float(samples.t_start[0]) == pytest.approx(2.0, abs=1e-5)
    assert float(samples.t_end[-1]) == pytest.approx(4.0, abs=1e-4)


def test_a_camera_inside_the_cube_starts_at_itself(device):
    occupied = torch.ones((4, 4, 4), dtype=torch.uint8, device=device)
    samples = march(torch.zeros((1, 3), device=device), torch.tensor([[0.0, 0, 1]], device=device), occupied, step=0.25)
    torch.testing.assert_close(samples.t.cpu(), torch.tensor([0.125, 0.375, 0.625, 0.875]))


def test_jitter_depends_on_the_seed_only(device, generator):
    origins, directions = (tensor.to(device) for tensor in rays(32, generator))
    occupied = torch.ones((4, 4, 4), dtype=torch.uint8, device=device)
    one, same, other = (march(origins, directions, occupied, step=0.1, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one.t, same.t) and torch.equal(one.offsets, same.offsets)
    assert len(one) != len(other) or not torch.equal(one.t, other.t)
    # Shifts are spread over the whole step, each ray its own.
    starts = one.t[one.offsets[:-1][one.offsets[1:] > one.offsets[:-1]].long()]
    middle = march(origins, directions, occupied, step=0.1)
    centres = middle.t[middle.offsets[:-1][middle.offsets[1:] > middle.offsets[:-1]].long()]
    if starts.shape == centres.shape:
        shift = (starts - centres) / 0.1
        assert float(shift.min()) < -0.3 and float(shift.max()) > 0.3 and float(shift.abs().max()) <= 0.5 + 1e-4


def test_limit_and_early_stop(device):
    origins = torch.tensor([[0.0, -3.0, 0.0]], device=device)
    directions = torch.tensor([[0.0, 1.0, 0.0]], device=device)
    occupied = torch.ones((4, 4, 4), dtype=torch.uint8, device=device)
    assert len(march(origins, directions, occupied, step=0.1, max_samples=7)) == 7
    density = torch.full((4, 4, 4), 10.0, device=device)
    stopped = march(origins, directions, occupied, step=0.1, density=density, stop_transmittance=0.01)
    assert len(stopped) == math.ceil(-math.log(0.01) / (10.0 * 0.1))


def test_nothing_to_see(device):
    nothing = torch.zeros((4, 4, 4), dtype=torch.uint8, device=device)
    ray = torch.tensor([[0.0, -3.0, 0.0]], device=device), torch.tensor([[0.0, 1.0, 0.0]], device=device)
    samples = march(*ray, nothing, step=0.1)
    assert len(samples) == 0 and samples.offsets.tolist() == [0, 0] and samples.positions.shape == (0, 3)
    none = torch.zeros((0, 3), device=device)
    assert march(none, none, nothing, step=0.1).offsets.tolist() == [0]


@pytest.mark.parametrize(
    "change",
    [
        {"occupied": torch.ones((4, 4, 3), dtype=torch.uint8)},
        {"occupied": torch.ones((4, 4, 4))},
        {"directions": torch.zeros((2, 3))},
        {"step": 0.0},
        {"max_samples": 0},
    ],
)
def test_bad_input_is_refused(change):
    arguments = {
        "origins": torch.zeros((1, 3)),
        "directions": torch.zeros((1, 3)),
        "occupied": torch.ones((4, 4, 4), dtype=torch.uint8),
        "step": 0.1,
    }
    with pytest.raises(ValueError, match="march"):
        march(**{**arguments, **change})
