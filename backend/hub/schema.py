# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the hub's store, and how a store of an older version becomes one of this version.

Each entry of MIGRATIONS takes the store one version further in one transaction; a published entry is never edited,
a change is a new entry at the end. A store that is damaged or of a newer version is refused and left as it is.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from protocol.errors import InternalError

MIGRATIONS = (
    # 1: what the first release wrote
    """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE jobs(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, kind TEXT NOT NULL, spec BLOB NOT NULL,
    digest BLOB NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0, worker TEXT NOT NULL DEFAULT '', last_seq INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, updated REAL NOT NULL);
CREATE INDEX jobs_by_state ON jobs(state, number);
CREATE TABLE events(
    job TEXT NOT NULL REFERENCES jobs(id), seq INTEGER NOT NULL, time REAL NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY(job, seq)) WITHOUT ROWID;
CREATE TABLE attempts(
    job TEXT NOT NULL REFERENCES jobs(id), fence INTEGER NOT NULL, attempt INTEGER NOT NULL, worker TEXT NOT NULL,
    began REAL NOT NULL, ended REAL, outcome TEXT, last_number INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(job, fence)) WITHOUT ROWID;
CREATE TABLE blobs(hash BLOB PRIMARY KEY, size INTEGER NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE artefacts(
    job TEXT NOT NULL REFERENCES jobs(id), name TEXT NOT NULL, hash BLOB NOT NULL REFERENCES blobs(hash),
    PRIMARY KEY(job, name)) WITHOUT ROWID;
CREATE TABLE audit(number INTEGER PRIMARY KEY, time REAL NOT NULL, user TEXT NOT NULL, what TEXT NOT NULL, job TEXT);
""",
    # 2: order, fair shares, retries with reasons, checkpoints, delivered results.
    # rank: place among the user's own jobs. ttl: seconds that the job may wait, 0 for ever. lowered: how often
    # memory ran out. bad: the attempt ended by a fault of the worker, or of the job on it.
    """
ALTER TABLE jobs ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE jobs ADD COLUMN rank REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN ttl REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN lowered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN delivered REAL;
UPDATE jobs SET rank=number;
CREATE INDEX jobs_by_user ON jobs(user, number);
ALTER TABLE attempts ADD COLUMN slot TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN bad INTEGER NOT NULL DEFAULT 0;
CREATE INDEX artefacts_by_hash ON artefacts(hash);
CREATE TABLE usage(user TEXT PRIMARY KEY, recent REAL NOT NULL, at REAL NOT NULL, total REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE checkpoints(
    job TEXT PRIMARY KEY REFERENCES jobs(id), hash BLOB NOT NULL, size INTEGER NOT NULL, fence INTEGER NOT NULL,
    number INTEGER NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX checkpoints_by_hash ON checkpoints(hash);
""",
    # 3: users and their public keys (`accounts`); the audit log says from which key and cannot be changed (`audit`).
    """
CREATE TABLE users(
    name TEXT PRIMARY KEY, role TEXT NOT NULL, quotas TEXT NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE keys(
    public TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name), created REAL NOT NULL, revoked REAL)
    WITHOUT ROWID;
CREATE INDEX keys_by_user ON keys(user);
CREATE INDEX attempts_by_time ON attempts(began);
ALTER TABLE audit ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN detail TEXT NOT NULL DEFAULT '';
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
""",
    # 4: inputs of jobs, by name. arrived: the bytes are here, and came from (or were made for) the job's own user.
    """
CREATE TABLE inputs(
    job TEXT NOT NULL REFERENCES jobs(id), name TEXT NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL,
    descriptor BLOB NOT NULL, arrived INTEGER NOT NULL, PRIMARY KEY(job, name)) WITHOUT ROWID;
CREATE INDEX inputs_by_hash ON inputs(hash);
""",
    # 5: what an attempt computed on.
    """
ALTER TABLE attempts ADD COLUMN devices INTEGER NOT NULL DEFAULT 1;
""",
    # 6: INSERT OR REPLACE deletes without asking the triggers of DELETE; and the index that counts a user's open jobs.
    """
CREATE TRIGGER audit_adds BEFORE INSERT ON audit WHEN EXISTS(SELECT 1 FROM audit WHERE number=NEW.number)
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE INDEX jobs_by_user_and_state ON jobs(user, state);
""",
    # 7: whether a submission is one that is there already is read off its spec and inputs, which a new field with a
    # default does not change; the digest of them did change, and refused what a side had sent before it was updated.
    """
ALTER TABLE jobs DROP COLUMN digest;
""",
)


def open_database(path: Path) -> sqlite3.Connection:
    """The store's one connection, checked and of this version. Raises InternalError with advice."""
    db = sqlite3.connect(path, isolation_level=None, timeout=0.2)  # a backup may read; the hub must not wait long
    try:
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found == "ok":
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                db.execute(f"PRAGMA {pragma}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as problem:
        found = str(problem)
    if found != "ok":
        db.close()
        raise InternalError(
            f"The job store {path} is damaged: {found}.",
            hint="Nothing was changed in it. Put the file aside and restore a backup in its place (made by "
            "`maquette hub backup`), or start without it and lose the queue.",
        )
    if version > len(MIGRATIONS):
        db.close()
        raise InternalError(
            f"The job store {path} was written by a newer version.",
            hint="Update Maquette, or restore a backup that was made before the update.",
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version={number}; COMMIT;")
    return db
