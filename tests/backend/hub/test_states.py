# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a job: every pair of state and event, and long random lives that must keep the rules."""

from __future__ import annotations

import random

import pytest

from backend.hub.states import (
    CANCEL_REQ,
    CANCELLED,
    EVENTS,
    FAILED,
    FINAL,
    LEASED,
    MAX_ATTEMPTS,
    NEED_BLOBS,
    QUEUED,
    RETRY_WAIT,
    RUNNING,
    STATES,
    SUCCEEDED,
    WITH_WORKER,
    BlobsArrived,
    CancelAsked,
    Done,
    Failure,
    GivenBack,
    JobState,
    Leased,
    NoWorker,
    Record,
    RetryDue,
    SendCancel,
    SendLease,
    Started,
    WaitThenRetry,
    WorkerLost,
    step,
)
from protocol.errors import Cancelled, EmptySurface, Poisoned, WorkerCrashed
from protocol.messages import FINAL_STATES, JOB_STATES

FAILURE = EmptySurface("Nothing there.")
CRASH = WorkerCrashed("The worker was ended by signal 9.", detail={"signal": 9})
EXAMPLES = {
    BlobsArrived: BlobsArrived(),
    Leased: Leased("w2", 8), Started: Started(), Done: Done(), Failure: Failure(FAILURE), WorkerLost: WorkerLost(CRASH),
    GivenBack: GivenBack(), CancelAsked: CancelAsked(), NoWorker: NoWorker(CRASH),
    RetryDue: RetryDue(),
}
# Every pair that means something; all others must change nothing.
EXPECTED = {
    (NEED_BLOBS, BlobsArrived): (QUEUED, {Record}),
    (NEED_BLOBS, CancelAsked): (CANCELLED, {Record}),
    (QUEUED, Leased): (LEASED, {Record, SendLease}),
    (QUEUED, CancelAsked): (CANCELLED, {Record}),
    (QUEUED, NoWorker): (FAILED, {Record}),
    (LEASED, Started): (RUNNING, {Record}),
    (LEASED, Done): (SUCCEEDED, {Record}),
    (LEASED, Failure): (FAILED, {Record}),
    (LEASED, WorkerLost): (RETRY_WAIT, {Record, WaitThenRetry}),
    (LEASED, GivenBack): (QUEUED, {Record}),
    (LEASED, CancelAsked): (CANCEL_REQ, {Record, SendCancel}),
    (RUNNING, Done): (SUCCEEDED, {Record}),
    (RUNNING, Failure): (FAILED, {Record}),
    (RUNNING, WorkerLost): (RETRY_WAIT, {Record, WaitThenRetry}),
    (RUNNING, GivenBack): (QUEUED, {Record}),
    (RUNNING, CancelAsked): (CANCEL_REQ, {Record, SendCancel}),
    (RETRY_WAIT, RetryDue): (QUEUED, {Record}),
    (RETRY_WAIT, CancelAsked): (CANCELLED, {Record}),
    (CANCEL_REQ, Done): (CANCELLED, {Record}),
    (CANCEL_REQ, Failure): (CANCELLED, {Record}),
    (CANCEL_REQ, WorkerLost): (CANCELLED, {Record}),
    (CANCEL_REQ, GivenBack): (CANCELLED, {Record}),
}


def test_the_wire_knows_the_same_states():
    assert set(JOB_STATES) == set(STATES) and set(FINAL_STATES) == set(FINAL)
    assert set(EXAMPLES) == set(EVENTS)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_pair(state, event):
    job = JobState(state, attempt=1, fence=7, worker="w1" if state in WITH_WORKER else "")
    after, actions = step(job, EXAMPLES[event])
    if (state, event) not in EXPECTED:
        assert after == job and actions == ()
        return
    expected, kinds = EXPECTED[(state, event)]
    assert after.state == expected and {type(one) for one in actions} == kinds
    assert bool(after.worker) == (after.state in WITH_WORKER)
    if event is Leased:
        assert (after.attempt, after.fence, after.worker) == (2, 8, "w2")
    elif event is GivenBack and state != CANCEL_REQ:
        assert after.attempt == 0  # it does not count
    else:
        assert (after.attempt, after.fence) == (1, 7)


def test_what_is_recorded():
    def error(state, event):
        (record,) = [one for one in step(JobState(state, 1, 7, "w"), event)[1] if isinstance(one, Record)]
        return record.error

    assert error(RUNNING, Failure(FAILURE)) is FAILURE
    assert isinstance(error(CANCEL_REQ, Failure(FAILURE)), Cancelled)
    assert isinstance(error(QUEUED, CancelAsked()), Cancelled)
    assert error(RUNNING, Done()) is None


def test_poison_after_the_last_attempt():
    job, waits = JobState(), []
    for attempt in range(MAX_ATTEMPTS):
        job, _ = step(job, Leased("w", attempt + 1))
        job, _ = step(job, Started())
        job, actions = step(job, WorkerLost(CRASH))
        waits += [one.seconds for one in actions if isinstance(one, WaitThenRetry)]
        job, _ = step(job, RetryDue())
    assert job.state == FAILED and waits == sorted(waits) and len(waits) == MAX_ATTEMPTS - 1
    error = actions[0].error
    assert isinstance(error, Poisoned) and error.detail == {"last": "worker_crash", "signal": 9}
    assert "signal 9" in error.message


def test_random_lives_keep_the_rules():
    rng = random.Random(3)
    for _ in range(500):
        job, fence, ended = JobState(), 0, None
        for _ in range(60):
            kind = rng.choice(EVENTS)
            fence += kind is Leased
            event = Leased("w", fence) if kind is Leased else EXAMPLES[kind]
            after, actions = step(job, event)
            assert after.fence >= job.fence and 0 <= after.attempt <= MAX_ATTEMPTS
            assert (after != job) == bool(actions)
            assert bool(after.worker) == (after.state in WITH_WORKER)
            if ended is not None:
                assert after == ended
            ended = after if after.state in FINAL else None
            job = after
