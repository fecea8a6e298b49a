# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates: a burst is fine, more than the rate is dropped, said once a second, and costs nobody else."""

from __future__ import annotations

import pytest

from backend.hub.limits import BURST_SECONDS, Rates
from protocol.errors import TooFast


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def send(rates, user, count):
    """How many messages passed, and how often the user was told."""
    passed = told = 0
    for _ in range(count):
        try:
            passed += rates.take(user)
        except TooFast as problem:
            assert problem.retryable and problem.detail == {"limit": 200}
            told += 1
    return passed, told


def test_burst_rate_and_words():
    clock = Clock()
    rates = Rates(200.0, clock)
    burst = int(200 * BURST_SECONDS)
    assert send(rates, "ann", 1000) == (burst, 1)
    assert rates.dropped == 1000 - burst
    assert send(rates, "ben", 10) == (10, 0)
    clock.now += 0.5
    assert send(rates, "ann", 1000) == (100, 0)  # told less than a second ago
    clock.now += 0.625
    assert send(rates, "ann", 1000) == (125, 1)
    for _ in range(600):  # a steady stream at the rate passes for ever
        clock.now += 0.05
        assert send(rates, "ben", 10) == (10, 0)


def test_nothing_is_kept_of_the_quiet():
    clock = Clock()
    rates = Rates(200.0, clock)
    for number in range(1000):
        rates.take(f"user{number}")
    clock.now += BURST_SECONDS + 1
    rates.take("last")
    rates.forget_idle()
    assert list(rates._buckets) == ["last"]


def test_a_flooder_who_goes_on_is_not_forgiven():
    clock = Clock()
    rates = Rates(200.0, clock)
    send(rates, "ann", 1000)
    for _ in range(100):
        clock.now += 0.1
        rates.forget_idle()
        passed, _ = send(rates, "ann", 1000)
        assert passed <= 21
    with pytest.raises(TooFast):
        clock.now += 1.0
        for _ in range(300):
            rates.take("ann")
