# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, roles, keys and quotas: kept over a restart, changed only as the rules allow, each change in the audit log."""

from __future__ import annotations

import sqlite3

import pytest

from backend.hub import audit
from backend.hub.accounts import BY_ROLE, LOCAL, MAX_KEYS, OWNER, Accounts
from backend.hub.audit import REFUSALS_A_MINUTE, Refusals
from backend.hub.gate import Gate
from backend.hub.manage import PAGE, Management
from backend.hub.states import Leased, Record, step
from backend.hub.store import Store
from backend.hub.zap import BACK, FRONT
from protocol.errors import BadRequest, NotAllowed, QuotaExceeded, UnknownUser
from protocol.keys import KeyPair, fingerprint


class Office:
    """A store with its accounts, and the time in our hands."""

    def __init__(self, folder):
        self.folder, self.now = folder, 1_000_000.0
        self.open()

    def open(self):
        self.store = Store(self.folder / "hub.sqlite", lambda: self.now)
        self.accounts = Accounts(self.store, lambda: self.now)
        self.management = Management(self.store, self.accounts)

    def reopen(self):
        self.store.close()
        self.open()

    def job(self, number, user):
        """A job of a user, as id."""
        job = f"{number:032x}"
        self.store.submit(job, user, "text_to_3d", {"prompt": "x"}, "x")
        return job

    def log(self, **which):
        return [(one.user, one.what, one.job, one.key) for one in audit.read(self.store.db, 100, **which)]


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.store.close()


def test_users_and_keys_outlive_a_restart(office):
    made = office.accounts.put_user("root", "ann", "lead", {"running_jobs": 2}, new=True)
    key = KeyPair.new()
    office.accounts.put_key("root", "ann", key.public)
    office.reopen()
    assert office.accounts.users == [made] and made.is_lead and not made.is_admin
    assert made.quotas.running_jobs == 2 and made.quotas.queued_jobs == BY_ROLE["lead"].queued_jobs
    assert office.accounts.of_key(key.public.hex()) == made
    assert [one.public for one in office.accounts.keys_of("ann")] == [key.public.hex()]


def test_a_key_opens_its_own_door_only(office):
    keys = {}
    for name, role in (("ann", "artist"), ("gpu2", "worker")):
        office.accounts.put_user("root", name, role, {}, new=True)
        keys[name] = KeyPair.new().public
        office.accounts.put_key("root", name, keys[name])
    start = KeyPair.new().public
    office.accounts.admit(start, BACK)
    doors = {name: [office.accounts.may_enter(door, key.hex()) for door in (FRONT, BACK)]
             for name, key in {**keys, "start": start, "nobody": bytes(32)}.items()}
    assert doors == {"ann": [True, False], "gpu2": [False, True], "start": [False, True], "nobody": [False, False]}
    assert office.accounts.of_key(start.hex()) is OWNER and office.accounts.of_key("") is OWNER
    office.reopen()  # the keys of a start end with it
    assert not office.accounts.may_enter(BACK, start.hex())


def test_revoking_one_or_all_tells_at_once_and_for_ever(office):
    office.accounts.put_user("root", "ann", "artist", {}, new=True)
    first, second, third = (KeyPair.new().public for _ in range(3))
    for key in (first, second, third):
        office.now += 1
        office.accounts.put_key("root", "ann", key)
    told = []
    office.accounts.on_revoked.append(told.append)
    assert office.accounts.revoke("root", "ann", fingerprint(second).upper()) == [fingerprint(second)]
    assert told == [{second.hex()}]
    known = [office.accounts.of_key(key.hex()) is not None for key in (first, second, third)]
    assert known == [True, False, True]
    with pytest.raises(BadRequest, match="no key"):
        office.accounts.revoke("root", "ann", fingerprint(second))
    assert set(office.accounts.revoke("root", "ann")) == {fingerprint(first), fingerprint(third)}
    with pytest.raises(BadRequest, match="no key"):
        office.accounts.revoke("root", "ann")
    with pytest.raises(BadRequest, match="known already"):  # a revoked key does not come back
        office.accounts.put_key("root", "ann", first)
    office.reopen()
    assert office.accounts.of_key(third.hex()) is None and not office.accounts.may_enter(FRONT, third.hex())


@pytest.mark.parametrize(("name", "role", "quotas"), [
    ("", "artist", {}), ("a/b", "artist", {}), (LOCAL, "artist", {}), ("ann", "king", {}),
    ("ann", "artist", {"cake": 1}), ("ann", "artist", {"queued_jobs": -1}), ("ann", "artist", {"queued_jobs": True}),
    ("ann", "artist", {"gpu_seconds": 1.5}),
])
def test_users_that_cannot_be(office, name, role, quotas):
    with pytest.raises(BadRequest):
        office.accounts.put_user("root", name, role, quotas, new=True)
    assert office.accounts.users == [] and office.log() == []


def test_changes_of_a_user(office):
    with pytest.raises(UnknownUser):
        office.accounts.put_user("root", "ann", "artist", {}, new=False)
    office.accounts.put_user("root", "ann", "artist", {"running_jobs": 2, "queued_jobs": 5}, new=True)
    with pytest.raises(BadRequest, match="already"):
        office.accounts.put_user("root", "ann", "artist", {}, new=True)
    changed = office.accounts.put_user("root", "ann", "artist", {"queued_jobs": 7}, new=False)
    assert (changed.quotas.queued_jobs, changed.quotas.running_jobs) == (7, 2)
    lead = office.accounts.put_user("root", "ann", "lead", {}, new=False)
    assert lead.quotas == BY_ROLE["lead"]
    with pytest.raises(BadRequest, match="cannot become"):
        office.accounts.put_user("root", "ann", "worker", {}, new=False)
    with pytest.raises(UnknownUser):
        office.accounts.put_key("root", "ben", bytes(32))
    for number in range(MAX_KEYS):
        office.accounts.put_key("root", "ann", bytes([number]) * 32)
    with pytest.raises(QuotaExceeded):
        office.accounts.put_key("root", "ann", b"\xff" * 32)


def quota(office, name, size=0):
    with pytest.raises(QuotaExceeded) as caught:
        office.accounts.check_room(name, size)
    assert not caught.value.retryable and caught.value.hint
    detail = caught.value.detail
    return detail["quota"], detail["limit"], detail["got"]


def test_queued_jobs_and_input_bytes(office):
    office.accounts.put_user("root", "ann", "artist", {"queued_jobs": 2, "job_bytes": 1000}, new=True)
    office.job(1, "ben")
    for number in (2, 3):
        office.accounts.check_room("ann", 1000)
        office.job(number, "ann")
    assert quota(office, "ann") == ("queued_jobs", 2, 2)
    assert quota(office, "ann", 1001) == ("job_bytes", 1000, 1001)
    office.accounts.put_user("root", "ann", "artist", {"queued_jobs": 0}, new=False)  # 0 is no limit
    office.accounts.check_room("ann")


def test_device_seconds_of_a_day(office):
    office.accounts.put_user("root", "ann", "artist", {"gpu_seconds": 100}, new=True)
    job = office.store.job(office.job(1, "ann"))
    life, actions = step(job.life, Leased("w", 1))
    text = next(one for one in actions if isinstance(one, Record)).text
    office.store.change(job, life, text, None)
    office.now += 99
    office.accounts.check_room("ann")
    assert office.accounts.seconds_today("ann") == 99 and office.accounts.seconds_today("ben") == 0
    office.now += 1
    assert quota(office, "ann") == ("gpu_seconds", 100, 100)
    with office.store.transaction() as db:
        db.execute("UPDATE attempts SET ended=?", (office.now,))
    office.now += 86400 - 50  # the first half has left the window
    assert office.accounts.seconds_today("ann") == pytest.approx(50)
    office.accounts.check_room("ann")
    office.now += 60
    assert office.accounts.seconds_today("ann") == 0


def test_stored_bytes_count_each_blob_once(office):
    office.accounts.put_user("root", "ann", "artist", {"stored_bytes": 1000}, new=True)
    jobs = [office.job(number, "ann") for number in (1, 2)]
    with office.store.transaction() as db:
        db.execute("INSERT INTO blobs(hash, size, created) VALUES(x'01', 600, 0), (x'02', 300, 0)")
        for job in jobs:
            db.execute("INSERT INTO artefacts(job, name, hash) VALUES(?, 'a', x'01')", (job,))
    assert office.accounts.stored_bytes("ann") == 600 and office.accounts.stored_bytes("ben") == 0
    office.accounts.check_room("ann", 399)
    assert quota(office, "ann", 400) == ("stored_bytes", 1000, 1000)
    with office.store.transaction() as db:
        db.execute("INSERT INTO artefacts(job, name, hash) VALUES(?, 'b', x'02')", (jobs[0],))
    office.now += 10
    assert quota(office, "ann", 100) == ("stored_bytes", 1000, 1000)


def test_running_jobs_and_priorities(office):
    office.accounts.put_user("root", "ann", "artist", {"running_jobs": 2}, new=True)
    office.accounts.put_user("root", "lea", "lead", {}, new=True)
    assert [office.accounts.may_run("ann", running) for running in (0, 1, 2, 3)] == [True, True, False, False]
    assert office.accounts.may_run(LOCAL, 1000) and office.accounts.may_run("gone", 1000)
    for name in ("ann", "lea", LOCAL):
        office.accounts.check_priority(name, "normal")
        office.accounts.check_priority(name, "batch")
    office.accounts.check_priority("lea", "interactive")
    office.accounts.check_priority(LOCAL, "interactive")
    with pytest.raises(NotAllowed, match="takes a lead"):
        office.accounts.check_priority("ann", "interactive")


def test_the_audit_log_tells_and_only_grows(office):
    office.accounts.put_user("root", "ann", "artist", {}, new=True)
    key = KeyPair.new().public
    with office.store.acting("ab" * 32):
        office.accounts.put_key("root", "ann", key)
        office.job(1, "ann")
    office.accounts.revoke("root", "ann")
    assert office.log() == [
        ("root", "revoke key", "ann", ""), ("ann", "submit", f"{1:032x}", "ab" * 32),
        ("root", "add key", "ann", "ab" * 32), ("root", "add user", "ann", ""),
    ]
    assert [what for _, what, _, _ in office.log(user="ann")] == ["submit"]
    assert len(office.log(before=2)) == 1
    for statement in ("DELETE FROM audit", "UPDATE audit SET user='ben'", "UPDATE audit SET time=0 WHERE number=1",
                      "INSERT OR REPLACE INTO audit(number, time, user, what) VALUES(1, 0, 'ben', 'x')"):
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            office.store.db.execute(statement)
    assert len(office.log()) == 4


def test_refusals_are_written_at_a_bounded_rate(office):
    refusals = Refusals(lambda: office.now)
    assert sum(refusals.allow() for _ in range(1000)) == REFUSALS_A_MINUTE
    assert refusals.left_out == 1000 - REFUSALS_A_MINUTE
    office.now += 60
    assert refusals.allow()
    gate = Gate(office.accounts, office.store, lambda: office.now)
    for _ in range(1000):
        gate.knocked(FRONT, "ab" * 32, "10.0.0.9")
    rows = [one for one in audit.read(office.store.db, 1000) if one.what == "refused key"]
    assert len(rows) == REFUSALS_A_MINUTE and "10.0.0.9" in rows[0].detail and rows[0].key == "ab" * 32


def test_management_in_pages_and_for_admins_only(office):
    for number in range(PAGE + 5):
        office.management.do(OWNER, "add user", {"name": f"user{number:03}", "role": "artist"})
    page = office.management.do(OWNER, "users", {})
    rest = office.management.do(OWNER, "users", {"after": page["users"][-1]["name"]})
    assert (len(page["users"]), page["more"], len(rest["users"]), rest["more"]) == (PAGE, True, 5, False)
    assert page["users"][0]["usage"] == {"queued_jobs": 0, "running_jobs": 0, "gpu_seconds": 0.0, "stored_bytes": 0}
    entries = office.management.do(OWNER, "audit", {"limit": 10})["entries"]
    assert len(entries) == 10 and entries[0]["about"] == f"user{PAGE + 4:03}"
    lead = office.accounts.put_user("root", "lea", "lead", {}, new=True)
    for action in ("add user", "set user", "users", "add key", "revoke", "audit", "anything"):
        with pytest.raises(NotAllowed):
            office.management.do(lead, action, {})
    for action, values in (("fly", {}), ("add user", {}), ("add key", {"name": "lea", "public": b"short"}),
                           ("audit", {"limit": 0}), ("users", {"after": 3}), ("add user", {"name": "x", "quotas": 1})):
        with pytest.raises((BadRequest, UnknownUser)):
            office.management.do(OWNER, action, values)
