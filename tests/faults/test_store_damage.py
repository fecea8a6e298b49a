# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks fill up, files rot and vanish, clocks jump: nobody hangs, nothing wrong is shown as right, the hub stays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from studio import Studio, alarmed, result_of

from backend.hub import server
from protocol.errors import InternalError, OutOfSpace, ProtocolError, UnknownBlob
from protocol.specs import TextTo3DSpec

JOB, OTHER = "1" * 32, "2" * 32


@pytest.fixture
def folder():
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


def finished(studio: Studio, job: str = JOB, seed: int = 1):
    """An artist whose job has ended well."""
    artist = studio.add_artist()
    artist.session.submit(TextTo3DSpec("a thing", seed=seed), job, studio.now)
    studio.until(lambda: artist.session.jobs[job].over, "the job")
    assert artist.session.jobs[job].error is None
    return artist


def blob_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").glob("??/*") if path.is_file()]


def test_missing_blob_is_said_and_costs_nobody_else_anything(folder):
    with alarmed():
        studio = Studio(folder)
        studio.add_hand()
        finished(studio)
        for path in blob_files(folder):
            path.unlink()
        late = studio.add_artist()
        late.session.watch(JOB, 0, studio.now)
        studio.until(lambda: late.session.jobs[JOB].over, "an answer")
        assert isinstance(late.session.jobs[JOB].error, UnknownBlob) and late.session.jobs[JOB].error.hint
        finished(studio, OTHER, seed=2)


def test_rotten_blob_is_never_taken_for_the_result(folder):
    with alarmed():
        studio = Studio(folder)
        studio.add_hand()
        finished(studio)
        for path in blob_files(folder):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.chmod(0o600)
            path.write_bytes(data)
        late = studio.add_artist()
        late.session.watch(JOB, 0, studio.now)
        studio.until(lambda: late.session.jobs[JOB].over, "an answer")
        view = late.session.jobs[JOB]
        assert view.result is None and isinstance(view.error, (ProtocolError, UnknownBlob)) and view.error.hint


def test_damaged_store_is_refused_untouched(folder):
    with alarmed():
        studio = Studio(folder)
        studio.add_hand()
        for number in range(12):
            finished(studio, f"{number:032x}", seed=number)
        studio.hub.store.checkpoint()
        studio.kill_hub()
        path = folder / "hub.sqlite"
        whole = bytearray(path.read_bytes())
        size = int.from_bytes(whole[16:18], "big")
        for page in range(2, len(whole) // size, 2):
            whole[page * size : page * size + 200] = b"\xa5" * 200
        path.write_bytes(whole)
        with pytest.raises(InternalError) as caught:
            studio.start_hub()
        assert caught.value.hint
        assert path.read_bytes() == bytes(whole)


def test_full_disk_makes_jobs_wait_and_loses_none(folder):
    room = {"free": 1 << 40}
    with alarmed():
        studio = Studio(folder, free=lambda where: room["free"])
        studio.add_hand()
        artist = studio.add_artist()
        artist.session.submit(TextTo3DSpec("a large thing", seed=1), JOB, studio.now)
        studio.until(lambda: artist.session.jobs[JOB].state == "RUNNING", "work")
        room["free"] = 1 << 20
        for _ in range(100):
            studio.turn(0.1)
        assert artist.session.jobs[JOB].state == "RUNNING"  # waits with its result
        artist.session.submit(TextTo3DSpec("a thing", seed=2), OTHER, studio.now)
        for _ in range(50):
            studio.turn(0.1)
        refused = artist.session.jobs[OTHER]
        assert refused.state == "SUBMITTING" or isinstance(refused.error, OutOfSpace)
        room["free"] = 1 << 40
        studio.until(lambda: artist.session.jobs[JOB].over, "the first job")
        view = artist.session.jobs[JOB]
        assert view.error is None and np.array_equal(view.result.arrays["faces"], result_of("large", 1)["faces"])
        assert studio.runs[JOB] == 1
        if refused.error is not None:  # the same key again: nothing of the first try is in the way
            artist.session.submit(TextTo3DSpec("a thing", seed=2), OTHER, studio.now)
        studio.until(lambda: artist.session.jobs[OTHER].result is not None, "the second job")


@pytest.mark.parametrize("hours", [1, -1, 24 * 400])
def test_wall_clock_jumps(folder, hours, monkeypatch):
    """Leases, waits and order hang on steady clocks; only the dates in the lists are wrong."""
    import time as real

    jump = {"by": 0.0}
    monkeypatch.setattr(server.time, "time", lambda now=real.time: now() + jump["by"])
    with alarmed():
        studio = Studio(folder)
        studio.add_hand()
        artist = studio.add_artist()
        for number, job in enumerate((JOB, OTHER)):
            artist.session.submit(TextTo3DSpec("warn, a thing", seed=number), job, studio.now)
        studio.until(lambda: artist.session.jobs[JOB].state == "RUNNING", "work")
        jump["by"] = 3600.0 * hours
        studio.until(lambda: all(artist.session.jobs[job].over for job in (JOB, OTHER)), "both jobs")
        studio.kill_hub()
        jump["by"] = 0.0
        studio.start_hub()
        finished(studio, "3" * 32, seed=3)
        assert all(artist.session.jobs[job].attempt == 1 for job in (JOB, OTHER))
