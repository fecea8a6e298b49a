# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a job: every pair of state and event, and long random lives that must keep the rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.hub.states import (
    CANCEL_REQ,
    CANCELLED,
    EVENTS,
    EXPIRED,
    FAILED,
    FINAL,
    LEASED,
    MAX_ATTEMPTS,
    NEED_BLOBS,
    PAUSE_REQ,
    PAUSED,
    QUEUED,
    RETRY_WAIT,
    RUNNING,
    SPACE_SECONDS,
    STATES,
    SUCCEEDED,
    WITH_WORKER,
    BlobsArrived,
    CancelAsked,
    ContinueAsked,
    Done,
    Failure,
    GivenBack,
    JobState,
    Leased,
    NoWorker,
    PauseAsked,
    Paused,
    Record,
    RetryDue,
    SendCancel,
    SendLease,
    SendPause,
    Started,
    TimeUp,
    WaitThenRetry,
    WorkerLost,
    step,
)
from protocol.errors import Cancelled, EmptySurface, OutOfMemory, OutOfSpace, Poisoned, WorkerCrashed
from protocol.messages import FINAL_STATES, JOB_STATES

FAILURE = EmptySurface("Nothing there.")
CRASH = WorkerCrashed("The worker was ended by signal 9.", detail={"signal": 9})
MEMORY = OutOfMemory("The job needs more memory than there is.")
FULL = OutOfSpace("The disk is full.")
EXAMPLES = {
    BlobsArrived: BlobsArrived(), Leased: Leased("w2", 8), Started: Started(), Done: Done(), Failure: Failure(FAILURE),
    WorkerLost: WorkerLost(CRASH), GivenBack: GivenBack(), PauseAsked: PauseAsked(), Paused: Paused(),
    ContinueAsked: ContinueAsked(), CancelAsked: CancelAsked(), NoWorker: NoWorker(CRASH), RetryDue: RetryDue(),
    TimeUp: TimeUp(),
}
# Every pair that means something; all others must change nothing.
EXPECTED = {
    (NEED_BLOBS, BlobsArrived): (QUEUED, {Record}),
    (NEED_BLOBS, CancelAsked): (CANCELLED, {Record}),
    (NEED_BLOBS, TimeUp): (EXPIRED, {Record}),
    (QUEUED, Leased): (LEASED, {Record, SendLease}),
    (QUEUED, PauseAsked): (PAUSED, {Record}),
    (QUEUED, CancelAsked): (CANCELLED, {Record}),
    (QUEUED, NoWorker): (FAILED, {Record}),
    (QUEUED, TimeUp): (EXPIRED, {Record}),
    (LEASED, Started): (RUNNING, {Record}),
    (LEASED, Done): (SUCCEEDED, {Record}),
    (LEASED, Failure): (FAILED, {Record}),
    (LEASED, WorkerLost): (RETRY_WAIT, {Record, WaitThenRetry}),
    (LEASED, GivenBack): (QUEUED, {Record}),
    (LEASED, Paused): (QUEUED, {Record}),
    (LEASED, PauseAsked): (PAUSE_REQ, {Record, SendPause}),
    (LEASED, CancelAsked): (CANCEL_REQ, {Record, SendCancel}),
    (RUNNING, Done): (SUCCEEDED, {Record}),
    (RUNNING, Failure): (FAILED, {Record}),
    (RUNNING, WorkerLost): (RETRY_WAIT, {Record, WaitThenRetry}),
    (RUNNING, GivenBack): (QUEUED, {Record}),
    (RUNNING, Paused): (QUEUED, {Record}),
    (RUNNING, PauseAsked): (PAUSE_REQ, {Record, SendPause}),
    (RUNNING, CancelAsked): (CANCEL_REQ, {Record, SendCancel}),
    (PAUSE_REQ, Done): (SUCCEEDED, {Record}),
    (PAUSE_REQ, Failure): (FAILED, {Record}),
    (PAUSE_REQ, WorkerLost): (PAUSED, {Record}),
    (PAUSE_REQ, GivenBack): (PAUSED, {Record}),
    (PAUSE_REQ, Paused): (PAUSED, {Record}),
    (PAUSE_REQ, ContinueAsked): (RUNNING, {Record}),
    (PAUSE_REQ, CancelAsked): (CANCEL_REQ, {Record, SendCancel}),
    (PAUSED, ContinueAsked): (QUEUED, {Record}),
    (PAUSED, CancelAsked): (CANCELLED, {Record}),
    (RETRY_WAIT, RetryDue): (QUEUED, {Record}),
    (RETRY_WAIT, PauseAsked): (PAUSED, {Record}),
    (RETRY_WAIT, CancelAsked): (CANCELLED, {Record}),
    (RETRY_WAIT, TimeUp): (EXPIRED, {Record}),
    (CANCEL_REQ, Done): (CANCELLED, {Record}),
    (CANCEL_REQ, Failure): (CANCELLED, {Record}),
    (CANCEL_REQ, WorkerLost): (CANCELLED, {Record}),
    (CANCEL_REQ, GivenBack): (CANCELLED, {Record}),
    (CANCEL_REQ, Paused): (CANCELLED, {Record}),
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
    elif event in (GivenBack, Paused) and state != CANCEL_REQ:
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


def test_memory_is_tried_once_more_with_half_of_it():
    job, _ = step(JobState(RUNNING, 1, 7, "w"), Failure(MEMORY))
    assert (job.state, job.lowered) == (RETRY_WAIT, 1)
    job, _ = step(step(job, RetryDue())[0], Leased("w2", 8))
    job, (record,) = step(job, Failure(MEMORY))
    assert job.state == FAILED and record.error is MEMORY and record.bad and job.lowered == 1


def test_a_full_disk_is_waited_for_and_a_recipes_own_error_is_final():
    job, actions = step(JobState(RUNNING, 2, 7, "w"), Failure(FULL))
    assert job.state == RETRY_WAIT and actions[1] == WaitThenRetry(SPACE_SECONDS[1])
    assert actions[0].error is FULL and "full" in actions[0].text  # the reason is in the log
    job, (record,) = step(JobState(RUNNING, MAX_ATTEMPTS, 7, "w"), Failure(FULL))
    assert job.state == FAILED and record.error is FULL
    assert step(JobState(RUNNING, 1, 7, "w"), Failure(FAILURE))[0].state == FAILED


def test_a_fault_while_pausing_leaves_the_job_paused_until_its_attempts_are_used_up():
    for event, lowered in ((WorkerLost(CRASH), 0), (Failure(MEMORY), 1), (Failure(FULL), 0)):
        assert step(JobState(PAUSE_REQ, 1, 7, "w"), event)[0] == JobState(PAUSED, 1, 7, "", lowered)
    assert step(JobState(PAUSE_REQ, MAX_ATTEMPTS, 7, "w"), WorkerLost(CRASH))[0].state == FAILED


def test_time_that_is_up_for_one_state_only():
    assert step(JobState(QUEUED), TimeUp(NEED_BLOBS))[0].state == QUEUED
    assert step(JobState(NEED_BLOBS), TimeUp(NEED_BLOBS))[0].state == EXPIRED


def test_continuing_before_the_worker_has_paused():
    """The worker may pause all the same; then the job waits its turn and nobody has to ask again."""
    job, _ = step(JobState(RUNNING, 1, 7, "w"), PauseAsked())
    job, _ = step(job, ContinueAsked())
    assert job == JobState(RUNNING, 1, 7, "w")
    job, _ = step(job, Paused())
    assert (job.state, job.attempt) == (QUEUED, 0)


FAULTS = st.sampled_from([FAILURE, CRASH, MEMORY, FULL])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), FAULTS), max_size=80))
def test_any_life_agrees_with_the_model(life):
    """The model: the table above, a count of the attempts in earnest, and whether memory has run out before."""
    job = JobState(NEED_BLOBS)
    state, attempt, lowered, fence = NEED_BLOBS, 0, False, 0
    for kind, fault in life:
        fence += kind is Leased
        event = Leased("w", fence) if kind is Leased else kind(fault) if kind in (
            Failure, WorkerLost, NoWorker) else EXAMPLES[kind]
        held, before = state in WITH_WORKER, state
        state = EXPECTED.get((state, kind), (state,))[0]
        if held and before != CANCEL_REQ and kind in (Failure, WorkerLost):
            passing = kind is WorkerLost or fault in (CRASH, FULL) or fault is MEMORY and not lowered
            lowered |= kind is Failure and fault is MEMORY and attempt < MAX_ATTEMPTS
            again = PAUSED if before == PAUSE_REQ else RETRY_WAIT
            state = again if passing and attempt < MAX_ATTEMPTS else FAILED
        attempt += kind is Leased and state != before
        attempt -= held and before != CANCEL_REQ and kind in (GivenBack, Paused)
        after, actions = step(job, event)
        assert (after.state, after.attempt, bool(after.lowered)) == (state, attempt, lowered)
        assert bool(after.worker) == (state in WITH_WORKER) and after.fence >= job.fence
        assert (after != job) == bool(actions) and sum(isinstance(one, Record) for one in actions) <= 1
        job = after
