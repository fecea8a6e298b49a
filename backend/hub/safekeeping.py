# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a hub's data folder and their return: backup while the hub runs, check, restore.

The hub's own connection stays the only one that writes. A backup reads through a second connection that cannot
write or checkpoint (mode=ro): SQLite before 3.51.3 can corrupt a database only when two connections do that. The
tables are copied first and the blobs after, so that the copy holds every blob its tables speak of; the copy gets its
name last, so that a killed backup leaves the one before it whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backend.hub.schema import MIGRATIONS
from protocol.errors import BadRequest, InternalError, NotAllowed, OutOfSpace

STORE, BLOBS = "hub.sqlite", "blobs"
READ_BYTES = 1 << 20


@dataclass
class Findings:
    """What a check found. problems: for people, empty when all is well."""

    jobs: int = 0
    blobs: int = 0
    bytes: int = 0
    unknown: int = 0
    problems: list[str] = field(default_factory=list)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read. Raises BadRequest where there is no store."""
    if not path.exists():
        raise BadRequest(f"There is no job store at {path}.", hint="Name the hub's data folder with --data.")
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30.0)
    try:
        yield db
    finally:
        db.close()


def backup(data: Path, target: Path, tell: Callable[[int, int], None] = lambda done, total: None) -> Findings:
    """Copy a hub's store and blobs to a folder, where an older backup is brought up to date.

    tell: blobs copied so far, and all. The hub may run. Raises BadRequest, OutOfSpace, InternalError for a damaged
    store; the older backup is then as it was.
    """
    if target.resolve().is_relative_to(data.resolve()):
        raise BadRequest("The backup must not lie in the hub's own data folder.", path="to")
    partial = target / f"{STORE}.partial"
    try:
        target.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        try:
            with reading(data / STORE) as db:
                db.execute("VACUUM INTO ?", (str(partial),))
        except sqlite3.DatabaseError as problem:
            if "full" in str(problem):
                raise _full(target) from problem
            raise InternalError(
                f"The job store {data / STORE} could not be copied: {problem}.",
                hint="`maquette hub check` says whether it is damaged; the older backup is untouched.",
            ) from problem
        found = Findings()
        with reading(partial) as copy:
            found.jobs = int(copy.execute("SELECT count(*) FROM jobs").fetchone()[0])
            wanted = copy.execute("SELECT hash, size FROM blobs").fetchall()
        for number, (digest, size) in enumerate(wanted, 1):
            _copy_blob(blob_path(data, digest), blob_path(target, digest), size, found)
            tell(number, len(wanted))
        with open(partial, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, target / STORE)
    except OSError as problem:
        raise _full(target) if isinstance(problem, OSError) and problem.errno == 28 else problem from problem
    _drop_unknown(target, {digest for digest, _ in wanted})
    return found


def restore(backup_folder: Path, data: Path, mark: str) -> Findings:
    """Put a backup in the place of a hub's store, which must not run; what lies there is kept under `.before-MARK`.

    Raises BadRequest where there is no backup, NotAllowed while a hub runs there, InternalError for a damaged backup.
    """
    found = check(backup_folder)
    if found.problems:
        raise InternalError(f"The backup is damaged: {found.problems[0]}", hint="Use another one.")
    data.mkdir(parents=True, exist_ok=True)
    with alone(data):
        with reading(backup_folder / STORE) as copy:
            wanted = copy.execute("SELECT hash, size FROM blobs").fetchall()
        for digest, size in wanted:
            _copy_blob(blob_path(backup_folder, digest), blob_path(data, digest), size, Findings())
        for name in (STORE, f"{STORE}-wal", f"{STORE}-shm"):
            if (data / name).exists():
                os.replace(data / name, data / f"{name}.before-{mark}")
        shutil.copyfile(backup_folder / STORE, data / f"{STORE}.partial")
        with open(data / f"{STORE}.partial", "r+b") as file:
            os.fsync(file.fileno())
        os.replace(data / f"{STORE}.partial", data / STORE)
    return found


def check(data: Path, hashes: bool = False, tell: Callable[[int, int], None] = lambda done, total: None) -> Findings:
    """Look at a store and its blobs, of a running hub too, or of a backup. hashes: read every blob to its end."""
    found = Findings()
    try:
        with reading(data / STORE) as db:
            found.problems += [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
            found.problems += [
                f"a row of {table} refers to something that is not in {parent}"
                for table, _, parent, _ in db.execute("PRAGMA foreign_key_check")
            ]
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                found.problems.append(f"it was written by a newer version of Maquette (format {version})")
            found.jobs = int(db.execute("SELECT count(*) FROM jobs").fetchone()[0])
            wanted = db.execute("SELECT hash, size FROM blobs").fetchall()
    except sqlite3.DatabaseError as problem:
        found.problems.append(f"the job store is damaged: {problem}")
        return found
    for number, (digest, size) in enumerate(wanted, 1):
        found.blobs, found.bytes = found.blobs + 1, found.bytes + size
        path = blob_path(data, digest)
        if not path.exists():
            found.problems.append(f"blob {digest.hex()} is missing")
        elif path.stat().st_size != size:
            found.problems.append(f"blob {digest.hex()} has {path.stat().st_size} bytes instead of {size}")
        elif hashes and file_hash(path) != digest:
            found.problems.append(f"blob {digest.hex()} holds other bytes")
        tell(number, len(wanted))
    known = {digest for digest, _ in wanted}
    found.unknown = sum(digest not in known for digest in _blobs_in(data))
    return found


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """While no hub can run in this folder. Raises NotAllowed when one does."""
    from backend.hub.server import lock_folder

    try:
        lock = lock_folder(data)
    except NotAllowed as problem:
        raise NotAllowed("A hub runs in this folder.", hint="Stop it first.") from problem
    with lock:
        yield


def blob_path(data: Path, digest: bytes) -> Path:
    """Where a blob lies in a data folder or a backup; as `blobs.BlobStore` has it."""
    name = digest.hex()
    return data / BLOBS / name[:2] / name


def file_hash(path: Path) -> bytes:
    """SHA-256 of a file."""
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(READ_BYTES):
            hasher.update(piece)
    return hasher.digest()


def _copy_blob(source: Path, target: Path, size: int, found: Findings) -> None:
    """Blobs never change, so one that is there in full is done."""
    found.blobs, found.bytes = found.blobs + 1, found.bytes + size
    if target.exists() and target.stat().st_size == size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    try:
        shutil.copyfile(source, partial)
    except FileNotFoundError:  # collected while the backup ran, so nobody needs it, or lost before
        found.unknown += 1
        return
    with open(partial, "r+b") as file:
        os.fsync(file.fileno())
    os.replace(partial, target)


def _blobs_in(data: Path) -> Iterator[bytes]:
    for path in (data / BLOBS).glob("[0-9a-f][0-9a-f]/*"):
        with contextlib.suppress(ValueError):
            if len(digest := bytes.fromhex(path.name)) == 32:
                yield digest


def _drop_unknown(target: Path, known: set[bytes]) -> None:
    """Blobs of an older backup that the new one does not speak of."""
    for digest in list(_blobs_in(target)):
        if digest not in known:
            blob_path(target, digest).unlink(missing_ok=True)


def _full(folder: Path) -> OutOfSpace:
    return OutOfSpace(
        f"The disk of {folder} is full.", hint="Free some space there, or back up to another disk.",
        detail={"folder": str(folder)},
    )
