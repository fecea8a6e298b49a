# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch against a scripted desk in virtual time: retries, limits, cancels; nothing runs twice after a kill."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from protocol import errors
from protocol.batch import ledger, manifest, runner
from protocol.updates import ConnectionChanged, ConnectionState, JobChanged, JobFailed, JobFinished, Result


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


class Hub:
    """Remembers jobs by key like the real one: the same key makes no second job. `outcome` says how a job ends. places:
    how many work at once; the others wait."""

    def __init__(self, outcome=lambda spec, tries: None, steps: int = 2, places: int = 1000) -> None:
        self.outcome, self.steps, self.places = outcome, steps, places
        self.jobs: dict[str, Any] = {}
        self.left: dict[str, int] = {}
        self.ends: dict[str, Any] = {}
        self.runs: dict[str, int] = {}
        self.most = 0

    def submit(self, spec, inputs=None, *, job=""):
        if job not in self.jobs:
            self.jobs[job] = spec
            self.left[job] = self.steps
            self.runs[spec.prompt] = self.runs.get(spec.prompt, 0) + 1
        self.followed.add(job)
        self.most = max(self.most, len(self.followed))
        return job

    def connect(self):
        self.followed: set[str] = set()
        self.told: set[str] = set()
        return self

    def cancel(self, job):
        self.ends.setdefault(job, errors.Cancelled())

    def forget(self, job):
        self.followed.discard(job)

    def working(self):
        return [job for job in self.jobs if job not in self.ends][: self.places]

    def work(self):
        for job in self.working():
            self.left[job] -= 1
            if self.left[job] <= 0 and job not in self.ends:
                spec = self.jobs[job]
                self.ends[job] = self.outcome(spec, self.runs[spec.prompt]) or "well"

    def poll(self, budget_seconds=0.0):
        for job in self.working():
            if job not in self.told:
                self.told.add(job)
                yield JobChanged(job, "RUNNING", 1)
        self.work()
        for job in list(self.followed):
            if job in self.ends:
                end = self.ends[job]
                if isinstance(end, errors.QuotaExceeded):  # refused at the door: the hub knows nothing of it
                    del self.jobs[job], self.ends[job]
                yield JobFinished(job, Result({}, {"seed": 1})) if end == "well" else JobFailed(job, end)


@pytest.fixture
def rows():
    return manifest.rows([{"prompt": f"thing {n}", "seed": n} for n in range(6)], {})


class World:
    """A folder, a hub and a clock that outlive the batches that are killed."""

    def __init__(self, folder, hub) -> None:
        self.folder, self.hub, self.now = folder, hub, 0.0
        self.saved: dict[str, int] = {}
        self.shown: list[Any] = []

    def save(self, row, key, result):
        self.saved[row.id] = self.saved.get(row.id, 0) + 1
        return ["report.json"]

    def sleep(self, seconds):
        self.now += seconds
        assert self.now < 10_000, "the batch does not end"

    def run(self, rows, only_failed=False, stopping=lambda: False, limit=3):
        with ledger.Ledger(self.folder, lambda: self.now) as log:
            todo, skipped = runner.plan(rows, log, lambda row, key: row.id in self.saved, only_failed)
            work = runner.Runner(
                self.hub.connect(), log, self.save, limit=limit, stopping=stopping, clock=lambda: self.now,
                sleep=self.sleep, show=lambda row, update: self.shown.append(update),
            )
            return [*skipped, *work.run(todo)]


def states(outcomes):
    return [one.state for one in outcomes]


def test_all_rows_run_a_few_at_a_time(tmp_path, rows):
    world = World(tmp_path, Hub())
    assert states(world.run(rows)) == ["done"] * 6
    assert world.hub.most == 3 and set(world.hub.runs.values()) == {1}
    assert states(world.run(rows)) == ["skipped"] * 6 and set(world.hub.runs.values()) == {1}
    lines = [json.loads(line) for line in (tmp_path / ledger.FILE_NAME).read_text().splitlines()]
    assert [line["event"] for line in lines].count("submit") == 6
    assert all(line["seed"] == 1 for line in lines if line["event"] == "done")


def test_a_changed_row_runs_again_and_a_lost_file_too(tmp_path, rows):
    world = World(tmp_path, Hub())
    world.run(rows)
    del world.saved[rows[0].id]
    changed = manifest.rows([{"prompt": "thing 9", "seed": 9, "id": rows[1].id}], {})
    outcomes = world.run([rows[0], *changed])
    assert states(outcomes) == ["done", "done"]
    assert world.hub.runs["thing 9"] == 1 and world.hub.runs["thing 0"] == 2


def test_what_may_pass_is_tried_again_and_what_cannot_is_not(tmp_path, rows):
    def outcome(spec, tries):
        return {
            "thing 0": errors.WorkerCrashed("gone") if tries == 1 else None,
            "thing 1": errors.WorkerCrashed("gone again"),
            "thing 2": errors.BadRequest("wrong", path="prompt"),
            "thing 3": errors.EmptySurface("the same seed brings the same"),
        }.get(spec.prompt)

    world = World(tmp_path, Hub(outcome))
    outcomes = world.run(rows)
    assert states(outcomes) == ["done", "failed", "failed", "failed", "done", "done"]
    assert [world.hub.runs[f"thing {n}"] for n in range(5)] == [2, 2, 1, 1, 1]
    assert runner.exit_code(outcomes, False) == 1 and runner.exit_code(outcomes, True) == 130
    assert "3 done, 3 failed" in runner.summary(outcomes) and "gone again" in runner.summary(outcomes)

    world.hub.outcome = lambda spec, tries: None
    again = world.run(rows, only_failed=True)
    assert sorted(states(again)) == ["done"] * 3 + ["skipped"] * 3
    assert runner.exit_code(again, False) == 0


def test_reseed_takes_another_seed(tmp_path):
    seeds = []

    def outcome(spec, tries):
        seeds.append(spec.seed)
        return errors.EmptySurface("nothing") if spec.seed < 7 else None

    rows = manifest.rows([{"prompt": "a", "seed": 5, "reseed": True, "retries": 3}], {})
    assert states(World(tmp_path, Hub(outcome)).run(rows)) == ["done"]
    assert seeds == [5, 6, 7]


def test_a_hub_without_room_is_asked_again_and_nothing_counts_as_a_failure(tmp_path, rows):
    refusals = iter(range(4))
    world = World(tmp_path, Hub(lambda spec, tries: errors.QuotaExceeded("full") if next(refusals, None) is not None
                                else None))
    assert states(world.run(rows)) == ["done"] * 6
    assert world.now >= runner.BACK_OFF_S


def test_a_job_that_takes_too_long_is_cancelled_and_not_tried_again(tmp_path):
    rows = manifest.rows([{"prompt": "slow", "timeout": 2, "retries": 5}], {})
    world = World(tmp_path, Hub(steps=10**9))
    (outcome,) = world.run(rows)
    assert outcome.state == "failed" and isinstance(outcome.error, errors.TimedOut) and world.hub.runs == {"slow": 1}


def test_waiting_for_its_turn_is_not_counted(tmp_path):
    """Four rows of a minute each on one device, none of which may take longer than that and a half."""
    rows = manifest.rows([{"prompt": f"a thing {n}", "timeout": 90} for n in range(4)], {})
    world = World(tmp_path, Hub(steps=2000, places=1))
    outcomes = world.run(rows, limit=4)
    assert states(outcomes) == ["done"] * 4 and world.now > 200
    assert all(50 < one.seconds < 90 for one in outcomes)


def test_an_interruption_cancels_what_runs_and_the_next_run_goes_on(tmp_path, rows):
    world = World(tmp_path, Hub(steps=1000))
    outcomes = world.run(rows, stopping=lambda: world.now > 0.5)
    assert states(outcomes) == ["cancelled"] * 6 and len(world.hub.runs) == 3
    world.hub.steps = 2
    assert states(world.run(rows)) == ["done"] * 6


def test_a_hub_that_does_not_answer_a_cancel_is_left(tmp_path, rows):
    world = World(tmp_path, Hub(steps=10**9))
    world.hub.cancel = lambda job: None
    assert states(world.run(rows[:1], stopping=lambda: world.now > 0.5)) == ["cancelled"]
    assert world.now > runner.CANCEL_PATIENCE_S


def test_a_refusal_and_a_hub_that_stays_away_end_the_batch(tmp_path, rows):
    hub = Hub(steps=10**9)
    hub.poll = lambda budget: [ConnectionChanged(ConnectionState.REFUSED, errors.NotAllowed("no"))]
    with pytest.raises(errors.NotAllowed):
        World(tmp_path, hub).run(rows)
    away = iter([[ConnectionChanged(ConnectionState.CONNECTING)]])
    hub.poll = lambda budget: next(away, [])
    world = World(tmp_path, hub)
    with pytest.raises(errors.NotConnected):
        world.run(rows)
    assert world.now > runner.HUB_PATIENCE_S


@pytest.mark.parametrize("seed", range(60))
def test_no_job_runs_twice_however_often_the_batch_is_killed(tmp_path, rows, seed):
    """The batch dies at any write, any submission, any poll or any save, again and again; the hub lives on."""
    chance = random.Random(seed)
    world = World(tmp_path, Hub(steps=chance.randint(1, 4)))
    deaths = 0

    def deadly(function):
        def call(*arguments, **named):
            nonlocal deaths
            dies = deaths < 25 and chance.random() < 0.15
            if dies and chance.random() < 0.5:
                deaths += 1
                raise Killed
            value = function(*arguments, **named)
            if dies:
                deaths += 1
                raise Killed
            return value

        return call

    hub, save, write = world.hub, world.save, ledger.Ledger.write
    hub.submit, hub.poll, world.save = deadly(hub.submit), deadly(lambda budget: list(Hub.poll(hub))), deadly(save)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.Ledger, "write", deadly(write))
        for _ in range(200):
            try:
                outcomes = world.run(rows)
                break
            except Killed:
                if chance.random() < 0.3:  # the line that was being written is cut off
                    path = tmp_path / ledger.FILE_NAME
                    with path.open("ab") as file:
                        file.write(b'{"event": "submit", "ro')
    assert set(states(outcomes)) <= {"done", "skipped"} and len(outcomes) == 6
    assert hub.runs == {f"thing {n}": 1 for n in range(6)}


def test_two_batches_do_not_share_a_folder(tmp_path):
    with ledger.Ledger(tmp_path), pytest.raises(errors.BadRequest, match="Another process"):
        ledger.Ledger(tmp_path)
    ledger.Ledger(tmp_path).close()


def test_a_log_that_is_broken_in_the_middle_is_not_guessed_at(tmp_path):
    (tmp_path / ledger.FILE_NAME).write_text('{"event": "submit"}\n')
    with pytest.raises(errors.BadRequest, match="Line 1"):
        ledger.Ledger(tmp_path)
