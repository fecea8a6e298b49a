# SPDX-License-Identifier: GPL-3.0-or-later
"""The time that one `poll` takes, on a clock that only the test moves, with messages over a real socket."""

from __future__ import annotations

import time

import pytest
import zmq

from protocol.client import Client

COUNT = 12


class Counted:
    """A client whose messages cost what `costs` says, one after another; the last cost goes on for ever."""

    def __init__(self, address: str, *costs: float):
        self.now, self.costs, self.taken = 0.0, list(costs), 0
        self.client = Client(address, clock=lambda: self.now)
        self.client._session.receive = self._receive

    def _receive(self, channel, frames, now):
        self.now += self.costs.pop(0) if len(self.costs) > 1 else self.costs[0]
        self.taken += 1

    def poll(self, budget: float) -> tuple[int, float]:
        """(how many messages one poll took, how long it says that this was)"""
        taken, began = self.taken, self.now
        self.client.poll(budget)
        return self.taken - taken, self.now - began


@pytest.fixture
def router():
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.linger, socket.rcvtimeo = 0, 10_000
        yield socket, f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"


def greeted(router, *costs: float) -> Counted:
    """A client with COUNT messages waiting in its socket."""
    socket, address = router
    counted = Counted(address, *costs)
    end = time.monotonic() + 10.0
    while not socket.poll(10) and time.monotonic() < end:
        counted.poll(0.0)
    peer = socket.recv_multipart()[0]
    for _ in range(COUNT):
        socket.send_multipart([peer, b"what it says does not matter"])
    time.sleep(0.2)  # all of it is in the client's queue
    return counted


def test_messages_that_cost_little_fill_the_budget_and_never_exceed_it(router):
    counted = greeted(router, 0.0003)
    with counted.client:
        taken, spent = counted.poll(0.002)
    assert taken == 6 and spent <= 0.002


def test_a_message_longer_than_the_budget_is_taken_alone(router):
    counted = greeted(router, 0.0026)
    with counted.client:
        assert [counted.poll(0.002)[0] for _ in range(3)] == [1, 1, 1]


def test_a_dear_message_is_remembered_for_a_while_only(router):
    counted = greeted(router, 0.0016, 0.0001)
    with counted.client:
        first, second = counted.poll(0.002), counted.poll(0.002)
    assert first[0] == 1  # the next one could cost as much
    assert second[0] == COUNT - 1
    assert max(first[1], second[1]) <= 0.002
