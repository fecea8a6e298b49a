# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a running hub, checks that find damage, and the way back."""

from __future__ import annotations

import hashlib

import pytest

from backend.cli import group
from backend.hub import safekeeping
from backend.hub.blobs import BlobStore
from backend.hub.desk import Desk
from backend.hub.safekeeping import backup, blob_path, check, restore
from backend.hub.server import lock_folder
from backend.hub.states import Done, Started
from backend.hub.store import Store
from protocol.arrays import Descriptor
from protocol.errors import BadRequest, InternalError, NotAllowed
from protocol.messages import Submit


class Folder:
    """A hub's data folder with jobs in it; `close` it, or leave it open as a running hub does."""

    def __init__(self, path):
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.store = Store(path / "hub.sqlite", lambda: 5.0)
        self.desk = Desk(self.store, lambda: 5.0)
        self.blobs = BlobStore(path / "blobs", lambda folder: 1 << 40)

    def finish(self, number):
        name = f"{number:032x}"
        data = hashlib.sha256(name.encode()).digest() * 10
        digest = hashlib.sha256(data).digest()
        self.blobs.put(digest, 0, len(data), data)
        self.desk.submit("ann", Submit(bytes.fromhex(name), "text_to_3d", {"prompt": "a chair"}))
        job = self.desk.apply(self.desk.lease(self.store.job(name), "w"), Started())
        self.desk.apply(job, Done(), [Descriptor("vertices", "|u1", (len(data),), len(data), digest)])
        return name, digest


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "data")
    yield made
    made.store.close()


def test_backup_of_a_running_hub_and_back(folder, tmp_path):
    name, digest = folder.finish(1)
    told = []
    found = backup(folder.path, tmp_path / "to", lambda done, total: told.append((done, total)))
    assert (found.jobs, found.blobs, found.bytes) == (1, 1, 320) and told == [(1, 1)]
    later, other = folder.finish(2)
    assert backup(folder.path, tmp_path / "to").jobs == 2
    folder.finish(3)  # after the backup
    assert check(tmp_path / "to", hashes=True).problems == []
    folder.store.close()
    restored = restore(tmp_path / "to", folder.path, "now")
    assert restored.jobs == 2 and (folder.path / "hub.sqlite.before-now").exists()
    folder.store = Store(folder.path / "hub.sqlite", lambda: 5.0)
    assert [one.id for one in folder.store.newest_jobs("ann", 9, False)] == [later, name]
    assert folder.blobs.has(digest) and folder.blobs.has(other)
    assert folder.store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_folder_that_no_hub_has_open_is_backed_up_too(folder, tmp_path):
    folder.finish(1)
    folder.store.close()
    assert not (folder.path / "hub.sqlite-wal").exists()
    assert backup(folder.path, tmp_path / "to").jobs == 1
    assert check(tmp_path / "to").jobs == 1 and check(folder.path).problems == []


def test_what_was_collected_leaves_the_next_backup(folder, tmp_path):
    _, digest = folder.finish(1)
    backup(folder.path, tmp_path / "to")
    with folder.store.transaction() as db:
        db.execute("DELETE FROM artefacts")
        db.execute("DELETE FROM blobs")
    backup(folder.path, tmp_path / "to")
    assert not blob_path(tmp_path / "to", digest).exists()


def test_a_killed_backup_leaves_the_one_before_it_whole(folder, tmp_path, monkeypatch):
    folder.finish(1)
    backup(folder.path, tmp_path / "to")
    folder.finish(2)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(safekeeping, "_copy_blob", killed)
    with pytest.raises(KeyboardInterrupt):
        backup(folder.path, tmp_path / "to")
    monkeypatch.undo()
    assert check(tmp_path / "to").problems == [] and check(tmp_path / "to").jobs == 1
    assert backup(folder.path, tmp_path / "to").jobs == 2


def test_a_reader_holds_up_neither_writes_nor_checkpoints(folder):
    folder.finish(1)
    with safekeeping.reading(folder.path / "hub.sqlite") as copying:
        copying.execute("BEGIN")
        before = copying.execute("SELECT count(*) FROM jobs").fetchone()
        folder.finish(2)
        folder.store.checkpoint()
        folder.finish(3)
        assert copying.execute("SELECT count(*) FROM jobs").fetchone() == before == (1,)
    folder.store.checkpoint()
    assert (folder.path / "hub.sqlite-wal").stat().st_size == 0


def test_check_finds_damage(folder):
    names = [folder.finish(number) for number in range(4)]
    paths = [blob_path(folder.path, digest) for _, digest in names]
    assert check(folder.path, hashes=True).problems == []
    paths[0].unlink()
    paths[1].write_bytes(b"short")
    paths[2].write_bytes(bytes(320))
    (folder.path / "blobs" / "ff").mkdir(exist_ok=True)
    (folder.path / "blobs" / "ff" / ("ff" * 32)).write_bytes(b"nobody's")
    problems = check(folder.path, hashes=True)
    assert problems.unknown == 1 and len(problems.problems) == 3
    assert [word in " ".join(problems.problems) for word in ("missing", "5 bytes instead of 320", "other bytes")]
    folder.store.close()
    store = folder.path / "hub.sqlite"
    content = bytearray(store.read_bytes())
    store.write_bytes(bytes(content[:4096]) + bytes(len(content) - 4096))
    assert check(folder.path).problems
    folder.store = Store(folder.path.parent / "another.sqlite", lambda: 0.0)


def test_the_command(folder, tmp_path, capsys):
    _, digest = folder.finish(1)

    def say(*words):
        return group.main(["hub", *map(str, words)], standalone_mode=False), capsys.readouterr()

    code, said = say("backup", tmp_path / "to", "--data", folder.path)
    assert not code and "1 jobs and 1 blobs" in said.out
    assert say("check", tmp_path / "to", "--hashes")[0] == 0
    blob_path(tmp_path / "to", digest).unlink()
    code, said = say("check", tmp_path / "to")
    assert code == 1 and "missing" in said.err and "1 problems" in said.out
    with pytest.raises(InternalError):
        say("restore", tmp_path / "to", "--data", tmp_path / "new")
    say("backup", tmp_path / "to", "--data", folder.path)
    assert "1 jobs" in say("restore", tmp_path / "to", "--data", tmp_path / "new")[1].out
    assert check(tmp_path / "new", hashes=True).problems == []


def test_what_is_refused(folder, tmp_path):
    folder.finish(1)
    backup(folder.path, tmp_path / "to")
    with pytest.raises(BadRequest):
        backup(folder.path, folder.path / "inside")
    with pytest.raises(BadRequest, match="no job store"):
        backup(tmp_path / "empty", tmp_path / "other")
    with lock_folder(folder.path), pytest.raises(NotAllowed, match="hub runs"):
        restore(tmp_path / "to", folder.path, "now")
    (tmp_path / "to" / "hub.sqlite").write_bytes(b"not a database at all" * 50)
    with pytest.raises(InternalError, match="damaged"):
        restore(tmp_path / "to", folder.path, "now")
    assert folder.store.job(f"{1:032x}").life.state == "SUCCEEDED"
