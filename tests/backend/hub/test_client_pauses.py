# SPDX-License-Identifier: GPL-3.0-or-later
"""Pause, continue and reprioritise as a client asks for them, against the real hub."""

from __future__ import annotations

from protocol.messages import TextTo3DSpec
from protocol.updates import JobChanged, JobsListed

SPEC = TextTo3DSpec("a chair")


def test_a_waiting_job_rests_and_goes_on(bench):
    client = bench.client()
    job = client.submit(SPEC)
    bench.until(lambda: client.jobs[job].state == "QUEUED" and client.jobs[job].seq > 0)
    client.pause(job)
    seen = bench.until(lambda: client.jobs[job].state == "PAUSED")
    assert [one.state for one in seen if isinstance(one, JobChanged)][-1] == "PAUSED"
    client.resume(job)
    bench.until(lambda: client.jobs[job].state == "QUEUED")
    bench.run_job(job, 1000)
    bench.until(lambda: client.jobs[job].over)
    assert client.jobs[job].result is not None


def test_the_last_wish_counts(bench):
    client = bench.client()
    job = client.submit(SPEC)
    bench.until(lambda: client.jobs[job].state == "QUEUED" and client.jobs[job].seq > 0)
    for _ in range(3):
        client.pause(job)
        client.resume(job)
    client.pause(job)
    bench.until(lambda: client.jobs[job].state == "PAUSED")
    bench.turns()
    assert client.jobs[job].state == "PAUSED"


def test_a_job_goes_before_ones_own_others(bench):
    client = bench.client()
    first, second = client.submit(SPEC), client.submit(SPEC)
    bench.until(lambda: all(client.jobs[one].seq > 0 for one in (first, second)))
    client.reprioritise(second, place="first")
    bench.turns()
    client.request_list(open_only=True)
    seen = bench.turns()
    ahead = {one.job: one.ahead for update in seen if isinstance(update, JobsListed) for one in update.jobs}
    assert ahead[second] < ahead[first]
