# SPDX-License-Identifier: GPL-3.0-or-later
"""A short history of kills, as in `history` (the bar of 300 is `python tests/faults/history.py --kills 300`)."""

from __future__ import annotations

import time

import history
from history import Counts, Journal, Stage, check, report


def test_random_kills_lose_and_double_nothing(tmp_path):
    counts, _ = history.run_history(tmp_path / "stage", kills=6, seed=time.time_ns() % 2**31, clients=2)
    print(report(counts, []))
    assert counts.held, report(counts, [])
    assert counts.succeeded + counts.poisoned == counts.attempted > 0


def test_the_checker_sees_what_it_looks_for(tmp_path):
    """A history that is made up: each kind of damage is found."""
    folder = tmp_path / "stage"
    history.run_history(folder, kills=1, seed=1, clients=1)
    path = folder / "client-0.jsonl"
    good = path.read_bytes()

    def checked(*more: dict) -> Counts:
        path.write_bytes(good)
        journal = Journal(path)
        for line in more:
            journal.write(**line)
        counts = Counts(1)
        check(Stage(folder, 1), counts)
        return counts

    assert checked().held
    job = next(line["job"] for line in Journal(path).lines if line["what"] == "end")
    unknown = {"what": "submit", "job": "f" * 32, "seed": 9}
    assert checked(unknown).lost
    assert checked({"what": "event", "job": job, "seq": 1}).duplicated
    assert checked({"what": "end", "job": job, "seq": 5, "hash": "another"}).damaged
    path.write_bytes(b"")
    counts = Counts(1)
    check(Stage(folder, 1), counts)
    assert len(counts.unexpected) > 0
    path.write_bytes(good)
    blob = next(one for one in (folder / "data" / "blobs").glob("??/*") if one.is_file())
    blob.chmod(0o600)
    blob.write_bytes(b"rotten")
    assert checked().damaged
