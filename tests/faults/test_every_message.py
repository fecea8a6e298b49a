# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message of the protocol is lost, doubled and overtaken once, in virtual time; the outcome is always the same.

One story makes hub, client and worker say everything that they can say. It is told once without a fault and then
with each fault for each message type: every job is made once, every durable event comes once and in order, every
result is whole, and nobody waits for ever.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from studio import Studio, alarmed, result_of

from protocol.arrays import describe
from protocol.errors import Cancelled
from protocol.messages import CLIENT_TO_HUB, HUB_TO_CLIENT
from protocol.session import CTL
from protocol.specs import TextTo3DSpec
from protocol.updates import JobAccepted, JobChanged, JobFailed, JobFinished, JobsListed, JobWarning
from protocol.worker_messages import HUB_TO_WORKER, WORKER_TO_HUB

JOBS = [f"{number:032x}" for number in range(1, 6)]
ROUTES = {
    "client>hub": CLIENT_TO_HUB, "hub>client": HUB_TO_CLIENT, "worker>hub": WORKER_TO_HUB, "hub>worker": HUB_TO_WORKER,
}
# What the story does not make them say, and where it is tested instead.
ELSEWHERE = {
    ("client>hub", "GET"): "tests/backend/hub/test_server.py",  # our own client asks with WATCH
    ("hub>client", "REJECTED"): "tests/protocol/test_session.py",
    ("hub>worker", "REJECTED"): "tests/backend/worker/test_conversation.py",
}
# What the story of test_every_request makes them say; PAUSE and CHECKPOINT of a worker: tests/backend/worker.
UNUSED = {
    ("client>hub", "BLOB_CHECK"), ("client>hub", "BLOB_PUT"), ("hub>client", "BLOB_NEED"), ("hub>client", "BLOB_OK"),
    ("client>hub", "PAUSE"), ("client>hub", "CONTINUE"), ("client>hub", "REPRIORITISE"), ("worker>hub", "PAUSED"),
    ("hub>worker", "PAUSE"), ("worker>hub", "BLOB_GET"), ("worker>hub", "CREDIT"), ("hub>worker", "CHUNK"),
    ("worker>hub", "CHECKPOINT"),
}


def story(folder: Path, fault=None) -> Studio:
    """Everything once: jobs with warnings and large results, a list, a cancel, a silence, two ends of the hub."""
    studio = Studio(folder)
    studio.fault = fault or studio.fault
    hand, artist = studio.add_hand(), studio.add_artist()
    session = artist.session

    def over(*jobs):
        return lambda: all(session.jobs[job].over for job in jobs)

    session.submit(TextTo3DSpec("warn, a large thing", seed=1), JOBS[0], studio.now)
    studio.until(over(JOBS[0]), "the first job")
    session.submit(TextTo3DSpec("for ever", seed=2), JOBS[1], studio.now)
    studio.until(lambda: session.jobs[JOBS[1]].state == "RUNNING", "the second job")
    session.watch("f" * 32, 0, studio.now)  # nobody has such a job
    session.list_jobs(10, False, studio.now)
    studio.until(lambda: any(isinstance(one, JobsListed) for one in artist.seen), "the list")
    session.cancel(JOBS[1], studio.now)
    studio.until(over(JOBS[1]), "the cancel")
    studio.until(lambda: studio.counts["hub>client", "PONG"] > 0, "a ping in a silence", tick=0.5)
    session.submit(TextTo3DSpec("for ever", seed=3), JOBS[2], studio.now)
    studio.until(lambda: session.jobs[JOBS[2]].state == "RUNNING", "the third job")
    session.submit(TextTo3DSpec("a thing", seed=4), JOBS[3], studio.now)
    studio.until(lambda: session.jobs[JOBS[3]].seq == 1, "the fourth job")
    studio.kill_hub()
    for _ in range(30):
        studio.turn()
    studio.start_hub()
    studio.until(lambda: session.jobs[JOBS[3]].seq == 1 and studio.hub.back.workers, "the hub to be back")
    session.cancel(JOBS[2], studio.now)
    studio.until(over(*JOBS[:4]), "what was under way")
    studio.hub.front.drain("The hub stops.")  # says so, and goes on: a hub that is told to stop has no loop to test
    while not hand.talk.left:
        studio.hub.back.leases.stop_workers()  # said once in truth; a worker that did not hear it ends with its hub
        for _ in range(60):
            studio.turn()
    studio.hands.remove(hand)
    studio.add_hand()
    session.submit(TextTo3DSpec("a thing", seed=5), JOBS[4], studio.now)
    studio.until(over(*JOBS), "the last job")
    studio.until(lambda: not session.line.requests, "all answers")
    session.leave()
    studio.turn()
    return studio


def check(studio: Studio) -> None:
    """The outcome that no fault may change."""
    (artist,) = studio.artists
    for number, job in enumerate(JOBS):
        view = artist.session.jobs[job]
        log = studio.hub.store.events_after(job, 0, 1000)
        assert [one.seq for one in log] == list(range(1, len(log) + 1)) and view.seq == len(log)
        changes = [one for one in artist.seen if isinstance(one, JobChanged) and one.job == job]
        assert [one.seq for one in changes] == [one.seq for one in log if one.kind == "state"]
        warned = [one.text for one in artist.seen if isinstance(one, JobWarning) and one.job == job]
        assert warned == [one.text for one in log if one.kind == "warning"] == (["careful"] if number == 0 else [])
        ends = [one for one in artist.seen if isinstance(one, (JobFinished, JobFailed)) and one.job == job]
        assert len(ends) == 1
        assert len([one for one in artist.seen if isinstance(one, JobAccepted) and one.job == job]) == 1
        if number in (1, 2):
            assert isinstance(view.error, Cancelled) and studio.runs[job] == 0
        else:
            expected = result_of("large" if number == 0 else "", number + 1)
            assert all(np.array_equal(array, expected[name]) for name, array in view.result.arrays.items())
            assert view.result.report == {"seed": number + 1} and studio.runs[job] == 1
    states = Counter(row.life.state for row in studio.hub.store.jobs_in(["SUCCEEDED", "CANCELLED", "FAILED"]))
    assert states == {"SUCCEEDED": 3, "CANCELLED": 2}


def test_the_story_says_everything(folder):
    with alarmed():
        studio = story(folder)
    check(studio)
    said = {pair for pair in studio.counts if studio.counts[pair]}
    known = {(route, kind) for route, kinds in ROUTES.items() for kind in kinds}
    assert known - said - UNUSED == set(ELSEWHERE), "extend the story, or say where the message is tested"


def lost(count):
    return 0 if count <= 2 else 1


def doubled(count):
    return 2


def overtaken(count):
    return -12 if count == 1 else 1  # comes after what follows it within 1.2 s


TYPES = sorted({(route, kind) for route, kinds in ROUTES.items() for kind in kinds} - set(ELSEWHERE) - UNUSED)


@pytest.mark.parametrize("fault", [lost, doubled, overtaken])
@pytest.mark.parametrize("route, kind", TYPES)
def test_each_message(folder, route, kind, fault):
    with alarmed():
        studio = story(folder, lambda way, type, count: fault(count) if (way, type) == (route, kind) else 1)
    check(studio)


@pytest.mark.parametrize("number", range(1, 16))
def test_any_single_event_is_lost(folder, number):
    """Also the last one of a job, after which no gap would ever show."""
    with alarmed():
        studio = story(folder, lambda way, type, count: int((type, count) != ("EVENT", number) or way != "hub>client"))
    check(studio)


@pytest.mark.parametrize("seed", range(6))
def test_anything_at_any_time(folder, seed):
    """Every message of every type may be lost, doubled or overtaken, up to a fifth of them."""
    chance = (0.05, 0.1, 0.2)[seed % 3]
    rng = random.Random(seed)

    def fault(route, kind, count):
        draw = rng.random()
        return 0 if draw < chance else 2 if draw < 2 * chance else -rng.randrange(1, 30) if draw < 3 * chance else 1

    with alarmed():
        check(story(folder, fault))


def test_client_gone_for_a_minute_while_the_hub_restarts(folder):
    """Jobs end and begin meanwhile, twice under new hubs; then every durable event comes once, in order."""
    with alarmed():
        studio = Studio(folder)
        studio.add_hand()
        artist, other = studio.add_artist(), studio.add_artist()
        for number, job in enumerate(JOBS):
            artist.session.submit(TextTo3DSpec("warn, a thing", seed=number), job, studio.now)
        studio.until(lambda: artist.session.jobs[JOBS[0]].state == "RUNNING", "work")
        seen_before = {job: view.seq for job, view in artist.session.jobs.items()}
        studio.unplug(artist)
        gone = studio.now
        late = [f"{number:032x}" for number in range(100, 104)]
        for number, job in enumerate(late):
            other.session.submit(TextTo3DSpec("a thing", seed=number), job, studio.now)
            for _ in range(20):
                studio.turn(0.25)
            studio.kill_hub()
            for _ in range(20):
                studio.turn(0.25)
            studio.start_hub()
        studio.until(lambda: studio.now - gone > 60.0, "a minute")
        assert {job: view.seq for job, view in artist.session.jobs.items()} == seen_before
        studio.plug(artist)
        studio.until(lambda: all(view.over for view in artist.session.jobs.values()), "the replay")
        studio.until(lambda: all(view.over for view in other.session.jobs.values()), "the other's jobs")
    for one, jobs in ((artist, JOBS), (other, late)):
        for job in jobs:
            log = studio.hub.store.events_after(job, 0, 1000)
            numbers = [up.seq for up in one.seen if isinstance(up, JobChanged) and up.job == job]
            assert numbers == [event.seq for event in log if event.kind == "state"]
            assert sum(isinstance(up, (JobFinished, JobFailed)) and up.job == job for up in one.seen) == 1
            assert sum(isinstance(up, JobWarning) and up.job == job for up in one.seen) == (1 if jobs is JOBS else 0)
            assert studio.runs[job] == 1 and one.session.jobs[job].result is not None


def test_half_open_connection_and_blackout(folder):
    """Thirty seconds of nothing in both directions, nobody told: the hub's queue stays short, and all is caught up."""
    with alarmed():
        studio = Studio(folder)
        studio.add_hand()
        artist = studio.add_artist()
        for number, job in enumerate(JOBS):
            artist.session.submit(TextTo3DSpec("warn, a large thing", seed=number), job, studio.now)
        studio.until(lambda: artist.session.jobs[JOBS[0]].state == "RUNNING", "work")
        studio.unplug(artist, half_open=True)
        for _ in range(120):
            studio.turn(0.25)
            assert all(len(queue) <= 64 for queue in studio._front().peers.values())
        assert artist.session.outbox[CTL] is not None
        studio.plug(artist)
        studio.until(lambda: all(view.over for view in artist.session.jobs.values()), "the end")
    for job in JOBS:
        assert artist.session.jobs[job].result is not None and studio.runs[job] == 1


def test_a_stopped_worker_comes_back_to_a_job_that_went_on_without_it(folder):
    """SIGSTOP for a minute: the job runs elsewhere; what the first worker then says is refused by its old fence."""
    with alarmed():
        studio = Studio(folder)
        first, artist = studio.add_hand(), studio.add_artist()
        artist.session.submit(TextTo3DSpec("for ever", seed=1), JOBS[0], studio.now)
        studio.until(lambda: artist.session.jobs[JOBS[0]].state == "RUNNING", "the first worker")
        studio.hands.remove(first)  # stands still: neither reads nor writes, its connection stays
        second = studio.add_hand()
        studio.until(lambda: second.talk.held is not None, "the second worker", tick=0.25)
        fences = first.talk.held.lease.fence, second.talk.held.lease.fence
        assert fences[0] < fences[1]
        for _ in range(120):
            studio.turn(0.5)
        arrays = result_of("", 99).items()
        first.talk.deliver(first.talk.held, [describe(*one) for one in arrays], studio.now)  # it had just finished
        studio.hands.append(first)
        studio.until(lambda: first.talk.held is None, "the refusal")
        assert artist.session.jobs[JOBS[0]].state == "RUNNING" and second.talk.held is not None
        artist.session.cancel(JOBS[0], studio.now)
        studio.until(lambda: artist.session.jobs[JOBS[0]].over, "the cancel")
        assert isinstance(artist.session.jobs[JOBS[0]].error, Cancelled)
