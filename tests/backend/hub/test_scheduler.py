# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose turn it is: classes, fair shares, own order, warm models, devices kept for large jobs; partly simulated."""

from __future__ import annotations

import heapq
import random

import pytest

from backend.hub.scheduler import HALF_LIFE, LOOK_AHEAD, Place, Scheduler, Waiting


def anywhere(worker, devices):
    return True


def places(count, **values):
    return [Place(f"w{n}", f"s{n}", **values) for n in range(count)]


def order(scheduler, count=100, now=0.0):
    """The jobs in the order in which one worker would take them, when each ends at once."""
    taken = []
    for _ in range(count):
        found = scheduler.next(places(1), anywhere, now)
        if found is None:
            break
        taken.append(found[0].job)
        scheduler.began(found[0].job, found[0].user, now)
        scheduler.ended(found[0].job, now + 1.0)
    return taken


def test_classes_then_users_then_own_order():
    scheduler = Scheduler()
    for number in range(3):
        scheduler.add(Waiting(f"a{number}", "ann", number, rank=number))
    scheduler.add(Waiting("b0", "ben", 10, rank=10))
    scheduler.add(Waiting("night", "cat", 11, "batch", rank=11))
    scheduler.add(Waiting("now", "ann", 12, "interactive", rank=12))
    scheduler.move("a2", "normal", -1.0)
    assert [job for _, job in scheduler.ranks("ann", "normal")] == ["a2", "a0", "a1"]
    assert scheduler.waiting_by_user() == {"ann": 4, "ben": 1, "cat": 1}
    assert order(scheduler) == ["now", "b0", "a2", "a0", "a1", "night"]
    assert len(scheduler) == 0 and scheduler.next(places(1), anywhere, 0.0) is None


def test_one_job_of_another_user_starts_next():
    """A queues a thousand, B one: B's is the next to start."""
    scheduler = Scheduler()
    for number in range(1000):
        scheduler.add(Waiting(f"a{number}", "ann", number, rank=number))
    assert order(scheduler, 3) == ["a0", "a1", "a2"]
    scheduler.add(Waiting("b", "ben", 1000, rank=1000))
    assert order(scheduler, 1) == ["b"]


def test_running_jobs_count_before_they_end_and_fade_after():
    scheduler = Scheduler()
    scheduler.began("x", "ann", 0.0, devices=2)
    assert scheduler.used("ann", 0.0) == 120.0  # two devices, a minute each reserved
    assert scheduler.used("ann", 600.0) == pytest.approx(1200, rel=0.1)
    recent, seconds = scheduler.ended("x", 600.0)
    assert seconds == 1200.0 and recent == pytest.approx(scheduler.used("ann", 600.0)) and 1100 < recent < 1200
    assert scheduler.used("ann", 600.0 + HALF_LIFE) == pytest.approx(recent / 2)
    again = Scheduler()
    again.load("ann", recent, 5.0)
    assert again.used("ann", 5.0 + 2 * HALF_LIFE) == pytest.approx(recent / 4)
    assert scheduler.ended("x", 700.0) == (0.0, 0.0)


def test_accounts_last_for_years():
    scheduler = Scheduler()
    scheduler.load("ann", 100.0, 0.0)
    now = 5 * 365 * 86400.0
    scheduler.began("x", "ben", now)
    recent, _ = scheduler.ended("x", now + 50.0)
    assert recent == pytest.approx(50.0, rel=0.01) and scheduler.used("ann", now + 50.0) < 1e-9
    assert scheduler.used("ben", now + 50.0 + HALF_LIFE) == pytest.approx(recent / 2)


def test_where_it_runs():
    scheduler = Scheduler()
    scheduler.add(Waiting("x", "ann", 1, model="sd", memory=8))
    cold, small = Place("cold", "0", free=16, worked=5.0), Place("small", "1", free=4, worked=0.0)
    warm = Place("warm", "2", warm=frozenset({"sd"}), free=4, worked=99.0)

    def where(*all_places):
        return scheduler.next(all_places, anywhere, 0.0)[1].worker

    assert where(cold, small, warm) == "warm"
    assert where(cold, small) == "cold"
    assert where(cold, Place("rested", "3", free=16, worked=1.0)) == "rested"
    assert where(Place("busy", "4", idle=False, warm=frozenset({"sd"})), small) == "small"


def test_a_job_is_not_brought_together_again_with_what_it_failed_on():
    scheduler = Scheduler()
    scheduler.add(Waiting("x", "ann", 1, avoid=frozenset({"w0", "s0"})))
    assert scheduler.next(places(2), anywhere, 0.0)[1].worker == "w1"
    other_is_busy = [Place("w0", "s0"), Place("w1", "s1", idle=False)]
    assert scheduler.next(other_is_busy, anywhere, 0.0) is None  # it waits for the other place
    assert scheduler.next([Place("new", "s0")], anywhere, 0.0)[1].worker == "new"  # the only place, started anew
    assert scheduler.next([Place("w0", "s0")], anywhere, 0.0)[1].worker == "w0"  # better than never
    scheduler.add(Waiting("y", "ann", 2, rank=2))
    assert scheduler.next(other_is_busy, anywhere, 0.0)[0].job == "y"  # which holds up nobody else


def test_large_jobs_get_their_devices_although_small_ones_keep_coming():
    scheduler = Scheduler()
    ends, now, number, started = [], 0.0, 0, None
    idle = {one.worker for one in places(4)}
    rng = random.Random(5)

    def room(worker, devices):
        return len(idle) >= devices

    while started is None and now < 10_000:
        while len(scheduler) < 8:
            number += 1
            scheduler.add(Waiting(f"{number}", rng.choice("abc"), number, rank=number))
        if number == 30:
            number += 1
            scheduler.add(Waiting("large", "dan", number, rank=number, devices=4))
        all_places = [Place(f"w{n}", f"s{n}", idle=f"w{n}" in idle) for n in range(4)]
        found = scheduler.next(all_places, room, now)
        if found is None:
            now, job, worker = heapq.heappop(ends)
            scheduler.ended(job, now)
            idle.add(worker)
            continue
        entry, place = found
        if entry.job == "large":
            started = now
        scheduler.began(entry.job, entry.user, now, entry.devices)
        idle.discard(place.worker)
        heapq.heappush(ends, (now + rng.uniform(5, 30), entry.job, place.worker))
    assert started is not None and len(idle) == 3


def test_devices_held_for_a_large_job_leave_other_machines_to_others():
    scheduler = Scheduler()
    scheduler.add(Waiting("large", "ann", 1, devices=3))
    scheduler.add(Waiting("small", "ben", 2))
    pool = [Place("a0", "a0", "one"), Place("a1", "a1", "one"), Place("b0", "b0", "two")]
    found = scheduler.next(pool, lambda worker, devices: devices == 1, 0.0)
    assert (found[0].job, found[1].worker) == ("small", "b0")


def simulate(users, workers, seconds, seed=1):
    """users: name -> (shortest, longest job). All have work all the time. Gives device seconds by user."""
    rng, scheduler = random.Random(seed), Scheduler()
    idle, ends, got = {f"w{n}" for n in range(workers)}, [], dict.fromkeys(users, 0.0)
    number, now = 0, 0.0
    while now < seconds:
        for user in users:
            while scheduler.waiting_by_user().get(user, 0) < 3:
                number += 1
                scheduler.add(Waiting(f"{number}", user, number, rank=number, model=user))
        found = scheduler.next([Place(one, one, idle=one in idle) for one in sorted(idle)], anywhere, now)
        if found is None:
            now, job, user, worker = heapq.heappop(ends)
            got[user] += scheduler.ended(job, now)[1]
            idle.add(worker)
            continue
        scheduler.began(found[0].job, found[0].user, now, model=found[0].model)
        idle.discard(found[1].worker)
        until = now + rng.uniform(*users[found[0].user])
        heapq.heappush(ends, (until, found[0].job, found[0].user, found[1].worker))
    return got


def test_shares_within_five_per_cent_whatever_the_jobs_take():
    got = simulate({"ann": (10, 20), "ben": (60, 120), "cat": (200, 400), "dan": (1, 2)}, 4, 40_000)
    fair = sum(got.values()) / len(got)
    spent = list(got.values())
    assert sum(spent) ** 2 / (len(spent) * sum(one * one for one in spent)) > 0.995  # Jain's index of fairness
    assert max(abs(one - fair) for one in got.values()) < 0.05 * fair, got


def test_how_many_jobs_are_ahead():
    scheduler = Scheduler()
    for number in range(5):
        scheduler.add(Waiting(f"a{number}", "ann", number, rank=number))
    scheduler.add(Waiting("b0", "ben", 10, rank=10))
    scheduler.add(Waiting("c0", "cat", 11, rank=11, priority="interactive"))
    scheduler.load("ann", 50.0, 0.0)
    ahead = scheduler.ahead(["a0", "a3", "b0", "c0", "unknown"], 0.0)
    taken = order(scheduler)
    assert ahead == {job: taken.index(job) for job in ("a0", "a3", "b0", "c0")}


def test_a_limit_of_running_jobs():
    scheduler = Scheduler()
    scheduler.may_run = lambda user, running: running < 1
    scheduler.began("a1", "ann", 0.0)
    scheduler.add(Waiting("a2", "ann", 2))
    assert scheduler.next(places(1), anywhere, 0.0) is None
    scheduler.ended("a1", 1.0)
    assert scheduler.next(places(1), anywhere, 1.0)[0].job == "a2"


def test_ten_thousand_jobs_are_not_read_through_for_one_decision():
    looked = []

    class Counting(dict):
        def __getitem__(self, key):
            looked.append(key)
            return super().__getitem__(key)

    scheduler = Scheduler()
    for number in range(10_000):
        scheduler.add(Waiting(f"{number}", f"u{number % 200}", number, rank=number, avoid=frozenset({"w0"})))
    scheduler._waiting = Counting(scheduler._waiting)
    scheduler.next([Place("w0", "s0"), Place("w1", "s1", idle=False)], anywhere, 0.0)  # nobody can run: the worst case
    assert len(looked) == 200 * LOOK_AHEAD
    looked.clear()
    scheduler.next(places(2), anywhere, 0.0)
    assert len(looked) == 1
