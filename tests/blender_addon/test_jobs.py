# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of jobs by itself: what each update makes of a job, in every order that a bad line can bring."""

from __future__ import annotations

import numpy as np
import pytest

from blender_addon import wire
from blender_addon.apply.placement import IDENTITY, Place
from blender_addon.jobs import Job, JobTable, latest_previews

JOB = "0123456789abcdef0123456789abcdef"
U = wire.updates


def table() -> tuple[JobTable, Job]:
    job = Job(JOB, wire.messages.TextTo3DSpec("a ball"), Place("Scene"), pressed=10.0)
    jobs = JobTable()
    jobs.add(job)
    return jobs, job


def preview(job: str = JOB, counter: int = 0) -> U.PreviewMesh:
    empty = np.zeros((0, 3), np.float32)
    return U.PreviewMesh(job, empty, empty.astype(np.int32), np.zeros((0, 4), np.uint8), counter=counter)


def test_a_job_from_button_to_scene():
    jobs, job = table()
    words = [job.words]
    for update in (
        U.JobAccepted(JOB), U.JobChanged(JOB, "LEASED", 1), U.JobChanged(JOB, "RUNNING", 1),
        U.JobProgress(JOB, "coarse", 0.5, "step 5 of 10", 12.0), preview(),
        U.JobFinished(JOB, U.Result({}, {"seed": 3})),
    ):
        jobs.take(update, now=20.0)
        words.append(job.words)
    assert words == ["waiting for the hub", "waiting", "starting", "working", "working", "working",
                     "fetching the result"]
    assert (job.stage, job.fraction, job.seconds_left, job.first_preview) == ("coarse", 0.5, 12.0, 20.0)
    assert not job.over
    jobs.delivered(job, "Ball", now=30.0)
    assert job.over and (job.object_name, job.ended, job.fraction) == ("Ball", 30.0, 1.0)


def test_updates_of_other_jobs_and_after_the_end_change_nothing():
    jobs, job = table()
    assert jobs.take(U.JobAccepted("f" * 32), 1.0) is None
    assert jobs.take(U.ConnectionChanged(U.ConnectionState.READY), 1.0) is None
    jobs.delivered(job, "Ball", 2.0)
    assert jobs.take(U.JobFailed(JOB, wire.errors.WorkerCrashed("late")), 3.0) is None
    assert job.state == "DONE" and job.error is None


def test_a_retry_starts_the_bar_again():
    jobs, job = table()
    jobs.take(U.JobProgress(JOB, "fine", 0.8, "", 5.0), 1.0)
    jobs.take(U.JobChanged(JOB, "RETRY_WAIT", 1, "the worker ended"), 2.0)
    assert (job.fraction, job.stage, job.seconds_left, job.text) == (0.0, "", None, "the worker ended")


def test_the_reason_of_a_failure_is_kept_when_its_state_comes_first():
    jobs, job = table()
    jobs.take(U.JobChanged(JOB, "FAILED", 1), 1.0)
    assert not job.over
    jobs.take(U.JobFailed(JOB, wire.errors.EmptySurface("none")), 2.0)
    assert job.state == "FAILED" and isinstance(job.error, wire.errors.EmptySurface)


def test_a_wish_is_told_from_a_fault():
    jobs, job = table()
    jobs.take(U.JobFailed(JOB, wire.errors.Cancelled()), 1.0)
    assert job.state == "CANCELLED" and jobs.running() == []


def test_only_ended_jobs_leave_the_list():
    jobs, job = table()
    jobs.forget(JOB)
    assert len(jobs) == 1
    jobs.delivered(job, "Ball", 1.0)
    jobs.forget(JOB)
    assert len(jobs) == 0 and jobs.newest() is None
    with pytest.raises(ValueError):
        jobs.add(job)
        jobs.add(job)


def test_nearest_known_is_only_told_when_the_prior_is_unsure():
    _, job = table()
    assert job.nearest_known == []
    job.report = {"nearest_known": {"kind": "mug", "alternatives": ["cup"], "sure": True}}
    assert job.nearest_known == []
    job.report["nearest_known"]["sure"] = False
    assert job.nearest_known == ["mug", "cup"]


def test_only_the_newest_preview_of_each_job_is_shown():
    other = "f" * 32
    updates = [preview(counter=1), preview(other, 1), U.JobAccepted(JOB), preview(counter=2)]
    kept = latest_previews(updates)
    assert [getattr(update, "counter", None) for update in kept] == [1, None, 2]
    assert [update.job for update in kept] == [other, JOB, JOB]


def test_a_place_needs_sixteen_numbers():
    assert Place("Scene").matrix == IDENTITY
    with pytest.raises(ValueError):
        Place("Scene", (1.0, 2.0))
