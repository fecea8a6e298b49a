# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenarios of `network`, short: slow links, stalled readers, broken and restarted things, on real sockets.

`python tests/faults/network.py` runs them at the length that the bars speak of and prints the figures.
"""

from __future__ import annotations

import network

from protocol.errors import NotConnected

NOISE_MIB = 24  # what a Python process takes and gives back by itself


def test_slow_client_finishes_and_costs_its_window(tmp_path):
    figures = network.slow(tmp_path, megabytes=12.0, rate=4e6)
    print(figures)
    assert figures["hub growth MiB"] <= figures["window MiB"] + NOISE_MIB


def test_stalled_clients_cost_no_more_than_their_windows(tmp_path):
    figures = network.stalled(tmp_path, clients=6, seconds=3.0, megabytes=12.0)
    print(figures)
    assert figures["hub growth MiB"] <= figures["bound MiB"] + NOISE_MIB


def test_client_away_while_the_hub_is_killed_and_started(tmp_path):
    print(network.away(tmp_path, seconds=4.0, restarts=1))


def test_a_cut_is_seen_and_mended_without_waiting_for_a_ping(tmp_path):
    history, pings = network.History(), []
    with (network.started(tmp_path) as hub, network.proxied(hub) as proxy,
          network.client_through(proxy, hub, tmp_path) as client):
        client.wait_connected(60.0)
        proxy.change(cut=True)

        def ready_again():
            history.poll(client)
            pings.append(client._session._pinged)
            ready = [one for one in history.seen if getattr(one, "state", None) is network.ConnectionState.READY]
            return len(ready) == 2

        network.wait_for(ready_again, "the connection to stand again")
        assert any(isinstance(getattr(one, "problem", None), NotConnected) for one in history.seen)
        assert not any(pings)


def test_delay_jitter_slices_and_cuts(tmp_path):
    figures = network.rough(tmp_path, jobs=6, delay=0.02, cut_chance=0.004)
    print(figures)
