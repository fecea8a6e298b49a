# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusion arithmetic against float64 formulas, and a sampler that recovers what a perfect prior knows."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch

from backend.embedded.training.diffusion import (
    SIZES,
    Condition,
    NoiseSchedule,
    build_network,
    draw_steps,
    predict,
    sample,
    scheduler,
)

CPU = torch.device("cpu")


def kept(t: int) -> float:
    """The cosine schedule's cumulated signal power after step t, straight from the paper, in float64."""
    product = 1.0
    for i in range(t + 1):
        bar = [math.cos((u / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for u in (i, i + 1)]
        product *= 1 - min(1 - bar[1] / bar[0], 0.999)
    return product


def test_v_target_matches_the_formula_in_float64() -> None:
    schedule = NoiseSchedule(CPU)
    generator = torch.Generator().manual_seed(1)
    clean, noise = torch.randn(3, 4, 5, 5, generator=generator), torch.randn(3, 4, 5, 5, generator=generator)
    times = [0, 431, 985]
    noisy, target = schedule.mix(clean, noise, torch.tensor(times))
    for i, t in enumerate(times):
        a, b = math.sqrt(kept(t)), math.sqrt(1 - kept(t))
        assert torch.allclose(noisy[i].double(), a * clean[i].double() + b * noise[i].double(), atol=1e-5)
        assert torch.allclose(target[i].double(), a * noise[i].double() - b * clean[i].double(), atol=1e-5)
    t = torch.tensor(times)
    assert torch.allclose(schedule.clean(noisy, target, t), clean, atol=1e-5)
    assert torch.allclose(schedule.epsilon(noisy, target, t), noise, atol=1e-5)


def test_the_shipped_scheduler_agrees_with_the_training_schedule() -> None:
    shipped, schedule = scheduler(), NoiseSchedule(CPU)
    clean, noise = torch.randn(2, 4, 4, 4), torch.randn(2, 4, 4, 4)
    t = torch.tensor([200, 800])
    noisy, target = schedule.mix(clean, noise, t)
    assert torch.allclose(shipped.add_noise(clean, noise, t), noisy, atol=1e-5)
    assert torch.allclose(shipped.get_velocity(clean, noise, t), target, atol=1e-5)


def test_steps_lean_to_the_noisy_side() -> None:
    t = draw_steps(20000, 0.3, 0.98, 0.6, torch.Generator().manual_seed(0), CPU)
    assert int(t.min()) >= 0 and int(t.max()) <= 999
    share = float(((t >= 300) & (t < 980)).float().mean())
    assert abs(share - (0.6 + 0.4 * 0.68)) < 0.02


def condition(count: int) -> Condition:
    generator = torch.Generator().manual_seed(3)
    mask = torch.zeros(count, 24, dtype=torch.bool)
    mask[:, :7] = True
    return Condition(torch.randn(count, 395, generator=generator), torch.randn(count, 24, 384, generator=generator),
                     mask)  # fmt: skip


def test_a_fresh_network_predicts_zero_and_masked_tokens_do_not_matter() -> None:
    torch.manual_seed(0)
    net = build_network(SIZES["tiny"], 4, 8, 16).eval()
    asked = condition(2)
    x, t = torch.randn(2, 4, 16, 16), torch.tensor([10, 900])
    with torch.no_grad():
        assert predict(net, x, t, asked).abs().max() == 0
        for parameter in net.parameters():
            parameter.normal_(0, 0.1)
        out = predict(net, x, t, asked)
        changed = asked.tokens.clone()
        changed[:, 7:] = 5.0
        same = predict(net, x, t, Condition(asked.labels, changed, asked.mask))
        turned = asked.labels.clone()
        turned[:, 0] += 1.0
        other = predict(net, x, t, Condition(turned, asked.tokens, asked.mask))
    assert out.shape == (2, 4, 16, 16)
    assert torch.allclose(out, same, atol=1e-5)
    assert (out - other).abs().max() > 1e-3


def test_sampling_with_a_perfect_prior_returns_its_picture() -> None:
    schedule = NoiseSchedule(CPU)
    truth = torch.tanh(torch.randn(2, 4, 8, 8))

    def perfect(noisy, t, **_):
        a, b = (s[t][:, None, None, None] for s in (schedule.signal, schedule.noise))
        doubled = torch.cat([truth, truth])
        noise = (noisy - a * doubled) / b.clamp_min(1e-4)
        return SimpleNamespace(sample=a * noise - b * doubled)

    drawn = sample(perfect, schedule, condition(2), condition(2), (2, 4, 8, 8), torch.Generator().manual_seed(0))
    assert torch.allclose(drawn, truth, atol=1e-3)
