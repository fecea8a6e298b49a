# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose turn it is, and on which worker: a pure decision, without store, sockets or a clock of its own.

Classes of priority come strictly one after the other. Within a class it is the turn of the user who has had the
fewest device seconds lately (they count half after an hour) together with what their running jobs have reserved;
within a user, of the job that the user put first. A job goes to an idle worker that has its model warm, else to one
with enough free memory, else to the one that has worked least. A job of several devices keeps idle workers waiting
for it, so that small jobs cannot starve it. (Protocol reference, section 11.)
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice

from protocol.messages import PRIORITIES

HALF_LIFE = 3600.0  # seconds
FIRST_GUESS = 60.0  # device seconds that a running job reserves until jobs of its model have shown how long they take
GUESS_SHARE = 0.2  # of the newest job in that average
LOOK_AHEAD = 8  # jobs of one user that are looked at when the first ones cannot run on the idle workers
REBASE = 64  # half-lives after which the accounts are scaled down, long before a float overflows


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue. number: order of arrival. devices: how many it needs at once. model: what should be warm.

    avoid: workers and slots on which it failed. memory: bytes of the device that it is known to need, 0 for unknown.
    """

    job: str
    user: str
    number: int
    priority: str = "normal"
    rank: float = 0.0
    devices: int = 1
    model: str = ""
    avoid: frozenset[str] = frozenset()
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A connected worker. free: bytes of its device, 0 for unknown. worked: seconds that it has computed so far."""

    worker: str
    slot: str
    machine: str = ""
    idle: bool = True
    warm: frozenset[str] = frozenset()
    free: int = 0
    worked: float = 0.0


class _Lengths:
    """Lengths of queues, to add them up as if none were longer than a cap."""

    def __init__(self, lengths: list[int]) -> None:
        self._sorted = sorted(lengths)
        self._sums = [0, *accumulate(self._sorted)]

    def capped(self, cap: int) -> int:
        shorter = bisect_right(self._sorted, cap)
        return self._sums[shorter] + (len(self._sorted) - shorter) * cap


@dataclass(slots=True)
class _Running:
    user: str
    devices: int
    model: str
    since: float
    guess: float


class Scheduler:
    """The queue and the accounts. Times are seconds of any steady clock.

    may_run: whether a user may have one more job running beside so many (set by whoever keeps the quotas).
    """

    def __init__(self) -> None:
        self.may_run: Callable[[str, int], bool] = lambda user, running: True
        self._waiting: dict[str, Waiting] = {}
        self._queues: dict[str, dict[str, list[tuple[float, int, str]]]] = {one: {} for one in PRIORITIES}
        self._running: dict[str, _Running] = {}
        self._by_user: dict[str, set[str]] = defaultdict(set)  # running jobs
        self._accounts: dict[str, float] = {}  # device seconds, as if spent at `_origin`
        self._origin = 0.0
        self._guesses: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    # The queue

    def add(self, entry: Waiting) -> None:
        """Put a job into the queue; once only, the newest entry counts."""
        self.remove(entry.job)
        self._waiting[entry.job] = entry
        insort(self._queues[entry.priority].setdefault(entry.user, []), (entry.rank, entry.number, entry.job))

    def remove(self, job: str) -> None:
        """Take a job out of the queue, if it is there."""
        entry = self._waiting.pop(job, None)
        if entry is None:
            return
        users = self._queues[entry.priority]
        queue = users[entry.user]
        del queue[bisect_left(queue, (entry.rank, entry.number, job))]
        if not queue:
            del users[entry.user]

    def move(self, job: str, priority: str, rank: float) -> None:
        """Another class or place for a waiting job; nothing for one that does not wait."""
        entry = self._waiting.get(job)
        if entry is not None:
            self.add(replace(entry, priority=priority, rank=rank))

    def ranks(self, user: str, priority: str) -> list[tuple[float, str]]:
        """The user's waiting jobs of a class, in order."""
        return [(rank, job) for rank, _, job in self._queues[priority].get(user, [])]

    def waiting_by_user(self) -> dict[str, int]:
        """How many jobs of each user wait."""
        counts: dict[str, int] = defaultdict(int)
        for users in self._queues.values():
            for user, queue in users.items():
                counts[user] += len(queue)
        return dict(counts)

    def waiting_in(self, priority: str) -> int:
        """How many jobs of a class wait."""
        return sum(len(queue) for queue in self._queues[priority].values())

    def first(self, count: int, now: float) -> list[str]:
        """Some of those whose turn is next, the first ones of every user."""
        return [one.job for one in islice(self._in_order(now), max(0, count))]

    def ahead(self, jobs: Sequence[str], now: float) -> dict[str, int]:
        """How many jobs are to start before each of these that wait: higher classes, then users in turn."""
        found = {}
        above = 0
        for priority in PRIORITIES:
            users = self._queues[priority]
            turns: dict[str, tuple[_Lengths, _Lengths]] = {}  # of those whose turn is before and after this user's
            for job in jobs:
                entry = self._waiting.get(job)
                if entry is None or entry.priority != priority:
                    continue
                if entry.user not in turns:
                    turns[entry.user] = self._others(users, entry.user, now)
                before, after = turns[entry.user]
                place = bisect_left(users[entry.user], (entry.rank, entry.number, job))
                found[job] = above + place + before.capped(place + 1) + after.capped(place)
            above += self.waiting_in(priority)
        return found

    def _others(
        self, users: Mapping[str, list[tuple[float, int, str]]], user: str, now: float
    ) -> tuple[_Lengths, _Lengths]:
        own = self.used(user, now)
        sides: tuple[list[int], list[int]] = ([], [])
        for other, queue in users.items():
            if other != user:
                sides[self.used(other, now) >= own].append(len(queue))
        return _Lengths(sides[0]), _Lengths(sides[1])

    # The accounts

    def load(self, user: str, recent: float, now: float) -> None:
        """A user's weighed device seconds from an earlier run."""
        self._accounts[user] = recent * self._inflation(now)

    def began(self, job: str, user: str, now: float, devices: int = 1, model: str = "") -> None:
        """A job has a worker since `now`; it reserves what jobs of its model usually take."""
        self.remove(job)
        guess = self._guesses.get(model, FIRST_GUESS)
        self._running[job] = _Running(user, devices, model, now, guess)
        self._by_user[user].add(job)

    def cost(self, job: str, now: float) -> tuple[float, float]:
        """What `ended` would give."""
        one = self._running.get(job)
        if one is None:
            return 0.0, 0.0
        seconds = one.devices * max(0.0, now - one.since)
        spent = one.devices * _weighed(now - one.since)
        return self._accounts.get(one.user, 0.0) / self._inflation(now) + spent, seconds

    def ended(self, job: str, now: float) -> tuple[float, float]:
        """A job has no worker any more. Gives its user's weighed device seconds, and those that this job just took."""
        recent, used = self.cost(job, now)
        one = self._running.pop(job, None)
        if one is None:
            return 0.0, 0.0
        self._by_user[one.user].discard(job)
        if not self._by_user[one.user]:
            del self._by_user[one.user]
        seconds = max(0.0, now - one.since)
        before = self._guesses.get(one.model, seconds)
        self._guesses[one.model] = before + GUESS_SHARE * (seconds - before)
        self._accounts[one.user] = recent * self._inflation(now)
        return recent, used

    def used(self, user: str, now: float) -> float:
        """The user's weighed device seconds, reservations of running jobs included."""
        reserved = 0.0
        for job in self._by_user.get(user, ()):
            one = self._running[job]
            reserved += one.devices * max(min(one.guess, HALF_LIFE), _weighed(now - one.since))
        return self._accounts.get(user, 0.0) / self._inflation(now) + reserved

    def running_by_user(self) -> dict[str, int]:
        """How many jobs of each user run."""
        return {user: len(jobs) for user, jobs in self._by_user.items()}

    def _inflation(self, now: float) -> float:
        """What a device second of now counts beside one spent at the origin; all fade alike, so the order stays."""
        age = (now - self._origin) / HALF_LIFE
        if age > REBASE:
            for user in self._accounts:
                self._accounts[user] *= 0.5**age
            self._origin, age = now, 0.0
        return float(2.0**age)

    # The decision

    def next(
        self, places: Sequence[Place], room: Callable[[str, int], bool], now: float
    ) -> tuple[Waiting, Place] | None:
        """The next job to start and where, or None. places: all workers. room: whether one has devices enough."""
        idle = [one for one in places if one.idle]
        for entry in self._in_order(now):
            if not idle:
                return None
            fit = _candidates(entry, places, idle)
            able = [one for one in fit if room(one.worker, entry.devices)]
            if able:
                return entry, _best(entry, able)
            if fit and entry.devices > 1:  # it is its turn: these wait with it until enough devices are idle
                held = {one.worker for one in _fullest(fit)[: entry.devices]}
                idle = [one for one in idle if one.worker not in held]
        return None

    def _in_order(self, now: float) -> Iterator[Waiting]:
        for priority in PRIORITIES:
            users = self._queues[priority]
            turn = []
            for user in users:
                if self.may_run(user, len(self._by_user.get(user, ()))):
                    turn.append((self.used(user, now), users[user][0][:2], user))
            for *_, user in sorted(turn):
                for _, _, job in users[user][:LOOK_AHEAD]:
                    yield self._waiting[job]


def _candidates(entry: Waiting, places: Sequence[Place], idle: Sequence[Place]) -> list[Place]:
    """Idle workers on which the job has not failed; with no other place in the pool, a new process of the same slot."""
    if not entry.avoid:
        return list(idle)
    if any(one.slot not in entry.avoid and one.worker not in entry.avoid for one in places):
        return [one for one in idle if one.slot not in entry.avoid and one.worker not in entry.avoid]
    if any(one.worker not in entry.avoid for one in places):
        return [one for one in idle if one.worker not in entry.avoid]
    return list(idle)


def _best(entry: Waiting, able: Sequence[Place]) -> Place:
    """Warm before cold, enough memory before too little, then whoever has worked least."""
    return min(able, key=lambda one: (
        not entry.model or entry.model not in one.warm,
        bool(entry.memory and one.free) and one.free < entry.memory,
        one.worked, one.worker,
    ))


def _fullest(places: Sequence[Place]) -> list[Place]:
    """The idle workers of the machine that has most of them."""
    machines: dict[str, list[Place]] = defaultdict(list)
    for one in places:
        machines[one.machine].append(one)
    return max(machines.values(), key=len)


def _weighed(seconds: float) -> float:
    """Device seconds of a job that has run so long until now, each counting half after an hour."""
    rate = math.log(2.0) / HALF_LIFE
    return -math.expm1(-rate * max(0.0, seconds)) / rate
