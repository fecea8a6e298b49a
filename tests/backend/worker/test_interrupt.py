# SPDX-License-Identifier: GPL-3.0-or-later
"""A poke from another thread breaks into a recipe, once, and into nothing else."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from backend.worker.interrupt import NUMBER, Interrupter
from protocol.errors import Cancelled

GUARD = 60.0


@pytest.fixture
def interrupter():
    previous = signal.getsignal(NUMBER)
    yield Interrupter()
    signal.signal(NUMBER, previous)


def poke_often(interrupter, times):
    def poke():
        for _ in range(times):
            time.sleep(0.02)
            interrupter.poke()

    thread = threading.Thread(target=poke)
    thread.start()
    return thread


@pytest.mark.parametrize("wait", ["sleep", "loop"])
def test_breaks_into_waits_and_loops(interrupter, wait):
    end = time.monotonic() + GUARD
    thread = poke_often(interrupter, 1)
    with pytest.raises(Cancelled), interrupter.allowed():
        if wait == "sleep":
            time.sleep(GUARD)
        while time.monotonic() < end:
            pass
    assert time.monotonic() < end
    thread.join()


def test_only_once_and_not_into_cleaning_up(interrupter):
    thread = poke_often(interrupter, 10)
    cleaned = False
    with pytest.raises(Cancelled), interrupter.allowed():
        try:
            time.sleep(GUARD)
        finally:
            time.sleep(0.2)
            cleaned = True
    assert cleaned
    thread.join()


def test_nothing_outside_a_recipe(interrupter):
    thread = poke_often(interrupter, 3)
    time.sleep(0.1)
    thread.join()
