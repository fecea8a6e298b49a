# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules by which places keep their workers, on a clock and processes of the test's own."""

from __future__ import annotations

import random

import pytest

from backend.hub.executors.devices import Device
from backend.hub.executors.environment import FRESH_PROCESS
from backend.hub.executors.keeper import Keeper
from backend.hub.executors.places import LONGEST_WAIT, Found


class LifeModel:
    def __init__(self):
        self.exit, self.signals = None, []

    def code(self):
        return self.exit

    def signal(self, hard):
        if self.exit is None:
            self.signals.append(hard)
            if hard:
                self.exit = -9


class LauncherModel:
    def __init__(self, devices, found=()):
        self.list, self.lives, self._found, self.written, self.fails = devices, {}, list(found), [], False

    def devices(self):
        return self.list

    def launch(self, device, worker, share):
        if self.fails:
            raise OSError("no more processes")
        self.lives[worker] = LifeModel()
        self.share = share
        return self.lives[worker]

    def found(self):
        return self._found

    def remember(self, places):
        self.written = [Found(one.device.slot, one.worker, one.life, one.lent_to) for one in places]


class Bench:
    def __init__(self, count=2, found=(), devices=None):
        self.now = 0.0
        gpus = [Device(f"gpu{n}", f"GPU-{n}", memory=n) for n in range(count)]
        self.launcher = LauncherModel(gpus if devices is None else devices, found)
        self.keeper = Keeper(self.launcher, lambda: self.now, self.pass_time)
        self.keeper.tick()

    def pass_time(self, seconds):
        self.now += seconds
        self.keeper.tick()

    def worker(self, slot):
        return next(one.worker for one in self.keeper.slots() if one.name == slot)

    def life(self, slot):
        return self.launcher.lives[self.worker(slot)]

    def states(self):
        return {one.name: one.state for one in self.keeper.slots()}


@pytest.fixture
def bench():
    return Bench()


def test_one_worker_a_device(bench):
    assert bench.states() == {"gpu0": "running", "gpu1": "running"}
    assert len(bench.launcher.lives) == 2 and bench.launcher.share == 2
    assert bench.worker("gpu0").startswith("gpu0-") and bench.keeper.alive(bench.worker("gpu1"))
    assert [one.device for one in bench.keeper.slots()] == ["GPU-0", "GPU-1"]


def test_devices_that_are_still_looked_for():
    bench = Bench(devices=None)
    later = bench.launcher.list
    other = Bench(count=0)
    other.launcher.list = None
    other.pass_time(100.0)
    assert other.keeper.slots() == []
    other.launcher.list = later
    other.pass_time(0.25)
    assert other.states() == {"gpu0": "running", "gpu1": "running"}


def test_a_crash_is_told_and_the_worker_replaced_at_once_after_a_long_life(bench):
    worker = bench.worker("gpu0")
    bench.pass_time(100.0)
    bench.life("gpu0").exit = -11
    assert bench.keeper.ended() == [(worker, -11)] and bench.keeper.ended() == []
    assert not bench.keeper.alive(worker) and bench.keeper.knows_dead(worker)
    bench.keeper.tick()
    assert bench.states()["gpu0"] == "running" and bench.worker("gpu0") != worker


def test_crash_loop_waits_longer_each_time_and_says_why(bench):
    waits = []
    for _ in range(7):
        bench.life("gpu0").exit = 77
        bench.pass_time(0.0)
        slot = bench.keeper.slots()[0]
        assert slot.state == "waiting" and "exit code 77" in slot.reason
        began = bench.now
        while bench.states()["gpu0"] == "waiting":
            bench.pass_time(0.25)
        waits.append(bench.now - began)
    assert waits == [1, 2, 4, 8, 16, 30, 30] and max(waits) == LONGEST_WAIT
    bench.life("gpu0").exit = 77
    bench.keeper.tick()
    reason = bench.keeper.slots()[0].reason
    assert "8 in a row" in reason and "worker-gpu0.log" in reason and "next try is in 30 s" in reason
    assert bench.states()["gpu1"] == "running"
    bench.pass_time(31.0)
    bench.pass_time(25.0)  # this one lives
    bench.life("gpu0").exit = 1
    bench.keeper.tick()
    assert bench.states()["gpu0"] == "running"


def test_killed_by_the_system_is_said_in_words(bench):
    bench.life("gpu1").exit = -9
    bench.keeper.tick()
    assert "out of memory" in bench.keeper.slots()[1].reason


def test_a_worker_that_wants_a_fresh_process_gets_it_at_once(bench):
    for _ in range(5):
        bench.life("gpu0").exit = FRESH_PROCESS
        bench.keeper.tick()
        assert bench.states()["gpu0"] == "running"


def test_process_that_cannot_be_started(bench):
    bench.launcher.fails = True
    bench.life("gpu0").exit = 1
    bench.pass_time(2.0)
    bench.pass_time(2.0)
    assert "no more processes" in bench.keeper.slots()[0].reason
    bench.launcher.fails = False
    bench.pass_time(5.0)
    assert bench.states()["gpu0"] == "running"


def test_start_is_idempotent_for_a_job_and_a_fence(bench):
    worker, other = bench.worker("gpu0"), bench.worker("gpu1")
    handle = bench.keeper.start("a", 1, worker)
    assert handle.devices == ("GPU-0",)
    assert bench.keeper.start("a", 1, worker) is handle and not bench.keeper.room(worker)
    assert bench.keeper.start("a", 1, other) is None, "the same lease on another worker"
    assert bench.keeper.start("b", 2, worker) is None, "another lease on the same worker"
    assert bench.keeper.slots()[0].job == "a"
    bench.keeper.end("a", 1)
    bench.keeper.end("a", 1)
    assert bench.keeper.start("b", 2, worker).fence == 2


def test_cancel_asks_then_kills(bench):
    worker, life = bench.worker("gpu0"), bench.life("gpu0")
    bench.keeper.start("a", 1, worker)
    bench.keeper.cancel(worker, 5.0)
    bench.pass_time(3.0)
    bench.keeper.cancel(worker, 5.0)  # again: the first grace counts
    assert life.signals == [False]
    bench.pass_time(2.5)
    assert life.signals == [False, True]
    assert bench.keeper.ended() == [(worker, -9)]
    assert bench.keeper.slots()[0].job == "" and bench.worker("gpu0") != worker, "replaced without a wait"
    bench.keeper.cancel(worker, 5.0)  # long gone
    bench.keeper.cancel(bench.worker("gpu1"), 0.0)
    assert bench.launcher.lives[worker].signals == [False, True] and bench.keeper.ended()[0][1] == -9


def test_a_job_of_several_devices_borrows_idle_ones():
    bench = Bench(4)
    leader = bench.worker("gpu1")
    bench.keeper.start("busy", 1, bench.worker("gpu0"))
    assert not bench.keeper.room(leader, 4) and bench.keeper.start("wide", 2, leader, 4) is None
    assert bench.keeper.room(leader, 3)
    lent = [bench.worker("gpu2"), bench.worker("gpu3")]
    handle = bench.keeper.start("wide", 2, leader, 3)
    assert handle.devices == ("GPU-1", "GPU-2", "GPU-3")
    assert all(bench.launcher.lives[one].exit == -9 for one in lent), "their memory must be free at once"
    assert not bench.keeper.room(lent[0])
    assert sorted(bench.keeper.ended()) == [(one, 0) for one in sorted(lent)], "meant, so no crash"
    bench.pass_time(60.0)
    assert bench.states() == {"gpu0": "running", "gpu1": "running", "gpu2": "lent", "gpu3": "lent"}
    bench.keeper.end("wide", 2)
    bench.keeper.tick()
    assert set(bench.states().values()) == {"running"}


def test_more_devices_than_there_are():
    bench = Bench(2)
    assert bench.keeper.start("wide", 1, bench.worker("gpu0"), 16).devices == ("GPU-0", "GPU-1")
    assert Bench(1).keeper.room("somebody else's", 16)


def test_lent_devices_come_back_when_the_leader_dies():
    bench = Bench(2)
    bench.keeper.start("wide", 1, bench.worker("gpu0"), 2)
    bench.pass_time(30.0)
    bench.life("gpu0").exit = -11
    bench.pass_time(0.0)
    assert bench.states() == {"gpu0": "running", "gpu1": "running"}


def test_a_device_that_disappears_takes_its_place_after_the_job(bench):
    busy, idle = bench.worker("gpu0"), bench.life("gpu1")
    bench.keeper.start("a", 1, busy)
    bench.launcher.list = []
    bench.pass_time(61.0)
    assert idle.signals == [False] and bench.states() == {"gpu0": "leaving", "gpu1": "leaving"}
    idle.exit = -15
    bench.pass_time(1.0)
    bench.pass_time(1.0)
    assert bench.states() == {"gpu0": "leaving"} and not bench.keeper.room(busy)
    bench.keeper.end("a", 1)
    bench.pass_time(10.0)
    bench.pass_time(1.0)
    assert bench.keeper.slots() == []
    bench.launcher.list = [Device("gpu0", "GPU-0")]
    bench.pass_time(61.0)
    assert bench.states() == {"gpu0": "running"}


def test_drain_ends_the_idle_now_and_the_busy_after_their_job(bench):
    busy, idle = bench.life("gpu0"), bench.life("gpu1")
    worker = bench.worker("gpu0")
    bench.keeper.start("a", 1, worker)
    bench.keeper.drain()
    assert (busy.signals, idle.signals) == ([], [False]) and not bench.keeper.room(bench.worker("gpu1"))
    bench.pass_time(6.0)
    bench.pass_time(100.0)
    assert bench.states() == {"gpu0": "running", "gpu1": "drained"}
    bench.keeper.end("a", 1)
    assert busy.signals == [False]
    busy.exit = 0
    bench.pass_time(1.0)
    assert bench.states() == {"gpu0": "drained", "gpu1": "drained"}
    bench.keeper.drain(False)
    bench.pass_time(1.0)
    assert bench.states() == {"gpu0": "running", "gpu1": "running"}


def test_stop_asks_then_kills_and_returns_with_all_dead(bench):
    lives = list(bench.launcher.lives.values())
    lives[0].exit = 0
    bench.keeper.stop(1.0)
    assert [one.signals for one in lives] == [[], [False, True]] and all(one.exit is not None for one in lives)
    assert len(bench.launcher.lives) == 2


def test_a_new_hub_finds_the_workers_of_the_old_one():
    old = Bench(3)
    old.keeper.start("wide", 7, old.worker("gpu0"), 2)
    leader = old.worker("gpu0")
    dead = old.worker("gpu2")
    old.keeper.tick()
    written = [Found(one.slot, one.worker, None if one.worker == dead else one.life, one.lent_to)
               for one in old.launcher.written]
    new = Bench(3, written)
    assert new.keeper.alive(leader) and new.keeper.knows_dead(dead)
    assert new.states() == {"gpu0": "running", "gpu1": "lent", "gpu2": "running"}
    assert new.keeper.start("wide", 7, leader, 2).devices == ("GPU-0", "GPU-1"), "it goes on with what it has"
    new.keeper.end("wide", 7)
    new.keeper.tick()
    assert new.states()["gpu1"] == "running"
    orphaned = Bench(3, [Found("gpu0", leader, None), Found("gpu1", "", None, leader)])
    assert set(orphaned.states().values()) == {"running"}


@pytest.mark.parametrize("seed", range(30))
def test_random_histories_keep_the_rules(seed):
    """Whatever happens: a device serves one job at most, and a place that may have a worker gets one in time."""
    rng = random.Random(seed)
    bench = Bench(4)
    held, fence = {}, 0
    for _ in range(300):
        slots = [one for one in bench.keeper.slots() if one.worker]
        act = rng.choice(["start", "start", "end", "crash", "cancel", "time"])
        if act == "start" and slots:
            worker, gpus, fence = rng.choice(slots).worker, rng.randint(1, 5), fence + 1
            room = bench.keeper.room(worker, gpus)
            handle = bench.keeper.start("j", fence, worker, gpus)
            assert (handle is not None) == room
            if handle is not None:
                assert len(handle.devices) == min(gpus, 4)
                held[fence] = handle
        elif act == "end" and held:
            key = rng.choice(list(held))
            bench.keeper.end("j", key)
            del held[key]
        elif act == "crash" and slots:
            bench.launcher.lives[rng.choice(slots).worker].exit = rng.choice([1, -11, FRESH_PROCESS])
        elif act == "cancel" and slots:
            bench.keeper.cancel(rng.choice(slots).worker, rng.choice([0.0, 5.0]))
        bench.pass_time(rng.choice([0.0, 0.25, 40.0]))
        ended = {name for name, _ in bench.keeper.ended()}
        held = {key: one for key, one in held.items() if one.worker not in ended}
        used = [device for one in held.values() for device in one.devices]
        assert len(used) == len(set(used))
        leaders = {one.worker for one in held.values()}
        for slot in bench.keeper.slots():
            assert slot.state != "lent" or any(slot.device in one.devices for one in held.values())
            assert bool(slot.job) == (slot.worker in leaders if slot.worker else False)
    for key in held:
        bench.keeper.end("j", key)
    for _ in range(3):
        bench.pass_time(LONGEST_WAIT + 6)
    assert set(bench.states().values()) == {"running"}
