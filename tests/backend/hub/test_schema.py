# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of an older version opens with all it held; the same tables come out as in a new store."""

from __future__ import annotations

import sqlite3

import pytest

from backend.hub import schema
from backend.hub.store import Store

OLD_JOB = "a" * 32


def tables(db):
    """Every column of every table, by name."""
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")]
    return {name: sorted(row[1:4] for row in db.execute(f"PRAGMA table_info({name})")) for name in names}


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_older_stores_open_with_their_jobs(tmp_path, version):
    path = tmp_path / "hub.sqlite"
    db = sqlite3.connect(path, isolation_level=None)
    for script in schema.MIGRATIONS[:version]:
        db.executescript(script)
    db.execute(f"PRAGMA user_version={version}")
    db.execute(
        "INSERT INTO jobs(number, id, user, kind, spec, digest, title, state, created, updated) "
        "VALUES(7, ?, 'ann', 'text_to_3d', x'80', x'00', 'old', 'QUEUED', 5.0, 5.0)", (OLD_JOB,),
    )
    db.close()
    store = Store(path, lambda: 9.0)
    job = store.job(OLD_JOB)
    assert (job.number, job.user, job.title, job.life.state) == (7, "ann", "old", "QUEUED")
    store.close()
    fresh = schema.open_database(tmp_path / "fresh.sqlite")
    opened = schema.open_database(path)
    assert tables(opened) == tables(fresh)
    assert opened.execute("PRAGMA user_version").fetchone()[0] == len(schema.MIGRATIONS)
    fresh.close()
    opened.close()
