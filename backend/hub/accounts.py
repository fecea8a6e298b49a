# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what and how much: users with a role and quotas, and the public keys that speak for them.

The store keeps them; a copy in memory answers the question that comes with every message. A key belongs to one user
(one for each machine); a key of the role `worker` opens the workers' door and no other. The keys of a hub's own
start, which lie in its connection file, speak for `local`, the owner of the data folder, and are never stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

from backend.hub.states import WITH_WORKER
from backend.hub.store import Store
from backend.hub.zap import BACK
from protocol import checks
from protocol.errors import BadRequest, NotAllowed, QuotaExceeded, UnknownUser
from protocol.keys import KEY_BYTES, check_name, fingerprint
from protocol.messages import FINAL_STATES, JOB_STATES

LOCAL = "local"
WORKER = "worker"
ROLES = ("artist", "lead", "admin", WORKER)
OPEN = tuple(one for one in JOB_STATES if one not in FINAL_STATES)
DAY = 86400.0
STORED_SECONDS = 2.0  # how long a user's stored bytes are remembered before they are added up again
MAX_KEYS = 16  # of one user
OPEN_CLASSES = ("normal", "batch")  # of priority, to everybody; `interactive` overtakes others' jobs


@dataclass(frozen=True)
class Quotas:
    """What one user may use; 0 is no limit. queued_jobs: not ended yet. gpu_seconds: of a device, in 24 hours.

    stored_bytes: of all the user's results. job_bytes: of one job's inputs, and of its result.
    """

    queued_jobs: int = 20
    running_jobs: int = 0
    gpu_seconds: int = 0
    stored_bytes: int = 0
    job_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        for one in fields(self):
            checks.integer(0, 2**53)(getattr(self, one.name), one.name)


BY_ROLE = {
    "artist": Quotas(), "lead": Quotas(queued_jobs=1000), "admin": Quotas(queued_jobs=10_000), WORKER: Quotas(),
}


@dataclass(frozen=True)
class Account:
    """One user. role: `artist` (own jobs), `lead` (everybody's jobs, all priorities), `admin` (users and keys too)."""

    name: str
    role: str
    quotas: Quotas
    created: float = 0.0

    @property
    def is_lead(self) -> bool:
        """May see and change everybody's jobs, and use every class of priority."""
        return self.role in ("lead", "admin")

    @property
    def is_admin(self) -> bool:
        """May change users and keys and read the audit log."""
        return self.role == "admin"


OWNER = Account(LOCAL, "admin", Quotas(queued_jobs=100_000))


@dataclass(frozen=True)
class KeyRow:
    """One public key (hex) of a user. revoked: when, None as long as it is good."""

    public: str
    user: str
    created: float
    revoked: float | None


class Accounts:
    """All users and keys. wall_clock: seconds since 1970.

    on_revoked: told the keys that lost their rights just now, so that front and back drop their connections.
    """

    def __init__(self, store: Store, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = wall_clock
        self._users: dict[str, Account] = {}
        self._keys: dict[str, KeyRow] = {}
        self._temporary: dict[str, str] = {}  # the keys of this start -> the door that they open
        self._stored: dict[str, tuple[float, int]] = {}
        self.on_revoked: list[Callable[[frozenset[str]], None]] = []
        for name, role, quotas, created in store.db.execute("SELECT name, role, quotas, created FROM users"):
            self._users[name] = Account(name, role, Quotas(**json.loads(quotas)), created)
        for row in store.db.execute("SELECT public, user, created, revoked FROM keys"):
            self._keys[row[0]] = KeyRow(*row)

    # Who is there

    def admit(self, public: bytes, door: str) -> None:
        """Let a key of this start in at a door (`zap.FRONT` or `zap.BACK`), as the owner of the data folder."""
        self._temporary[public.hex()] = door

    def may_enter(self, door: str, key: str) -> bool:
        """Whether the owner of this public key (hex) may open a connection."""
        if key in self._temporary:
            return self._temporary[key] == door
        account = self.of_key(key)
        return account is not None and (account.role == WORKER) == (door == BACK)

    def of_key(self, key: str) -> Account | None:
        """Whose key (hex) it is; None for one that is unknown or revoked. Empty: an unencrypted loopback, the owner."""
        if not key or key in self._temporary:
            return OWNER
        row = self._keys.get(key)
        return self._users[row.user] if row is not None and row.revoked is None else None

    def account(self, name: str) -> Account:
        """The user of this name. Raises UnknownUser."""
        if name == LOCAL:
            return OWNER
        found = self._users.get(name)
        if found is None:
            raise UnknownUser(f"There is no user {name[:40]!r}.", hint="`maquette keys list` shows all of them.")
        return found

    @property
    def users(self) -> list[Account]:
        """All registered users, by name."""
        return [self._users[name] for name in sorted(self._users)]

    def keys_of(self, name: str) -> list[KeyRow]:
        """The user's keys, oldest first, revoked ones included."""
        return sorted((one for one in self._keys.values() if one.user == name), key=lambda one: one.created)

    # Changes; each is in the audit log before it has an effect

    def put_user(self, by: str, name: str, role: str, changes: dict[str, int], *, new: bool) -> Account:
        """Add a user, or change one's role and quotas. by: who asks. changes: quotas that differ from the role's own.

        Raises BadRequest, UnknownUser, NotAllowed where the last admin would lose the role.
        """
        check_name(name)
        checks.one_of(*ROLES)(role, "role")
        unknown = set(changes) - {one.name for one in fields(Quotas)}
        if unknown:
            raise BadRequest(f"There is no quota named {sorted(unknown)[0]!r}.", path="quotas")
        if name == LOCAL:
            raise BadRequest(f"{LOCAL} is the owner of the hub's data folder; choose another name.", path="name")
        old = self._users.get(name)
        if new and old is not None:
            raise BadRequest(f"There is a user {name} already.", path="name", hint="`maquette keys set` changes one.")
        if not new and old is None:
            raise UnknownUser(f"There is no user {name}.", hint="`maquette keys add` makes one.")
        if old is not None and (old.role == WORKER) != (role == WORKER):
            raise BadRequest("A person cannot become a worker, nor a worker a person.", path="role")
        base = old.quotas if old is not None and old.role == role else BY_ROLE[role]
        account = Account(name, role, replace(base, **changes), old.created if old is not None else self._clock())
        packed = json.dumps(asdict(account.quotas))
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO users VALUES(?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET role=excluded.role, "
                "quotas=excluded.quotas", (name, role, packed, account.created),
            )
            self._store.note(db, by, "add user" if new else "change user", name, f"{role} {packed}")
        self._users[name] = account
        return account

    def put_key(self, by: str, name: str, public: bytes) -> KeyRow:
        """Give a user one more key. Raises UnknownUser, BadRequest for a key that is known already, QuotaExceeded."""
        if len(public) != KEY_BYTES:
            raise BadRequest("A public key has 32 bytes.", path="public")
        self.account(name)
        if name == LOCAL:
            raise BadRequest(f"{LOCAL} needs no key: the connection file holds one for each start.", path="name")
        if public.hex() in self._keys or public.hex() in self._temporary:
            raise BadRequest("This key is known already; a revoked one does not come back.", path="public")
        if sum(one.revoked is None for one in self.keys_of(name)) >= MAX_KEYS:
            raise QuotaExceeded(
                f"{name} has {MAX_KEYS} keys already.", hint="Revoke those that are not used any more.",
                detail={"limit": MAX_KEYS, "got": MAX_KEYS},
            )
        row = KeyRow(public.hex(), name, self._clock(), None)
        with self._store.transaction() as db:
            db.execute("INSERT INTO keys VALUES(?, ?, ?, NULL)", (row.public, name, row.created))
            self._store.note(db, by, "add key", name, fingerprint(public))
        self._keys[row.public] = row
        return row

    def revoke(self, by: str, name: str, shown: str = "") -> list[str]:
        """Take a user's keys away, or only the one whose fingerprint begins with `shown`; gives their fingerprints.

        Takes effect before it returns, on open connections too. Raises UnknownUser, BadRequest where there is none.
        """
        self.account(name)
        wanted = shown.replace("-", "").lower()
        lost = [
            one for one in self.keys_of(name) if one.revoked is None
            and fingerprint(bytes.fromhex(one.public)).replace("-", "").startswith(wanted)
        ]
        if not lost or (wanted and len(lost) > 1):
            what = f"no key {shown}" if wanted and not lost else "several such keys" if lost else "no key"
            raise BadRequest(f"{name} has {what} to revoke.", path="key", hint="`maquette keys list` shows them.")
        now = self._clock()
        prints = [fingerprint(bytes.fromhex(one.public)) for one in lost]
        with self._store.transaction() as db:
            for one, mark in zip(lost, prints, strict=True):
                db.execute("UPDATE keys SET revoked=? WHERE public=?", (now, one.public))
                self._store.note(db, by, "revoke key", name, mark)
        for one in lost:
            self._keys[one.public] = replace(one, revoked=now)
        for tell in self.on_revoked:
            tell(frozenset(one.public for one in lost))
        return prints

    # How much

    def check_room(self, name: str, input_bytes: int = 0) -> None:
        """Whether the user may submit one more job with so many bytes of inputs. Raises QuotaExceeded.

        A name that is not registered has what an artist has.
        """
        quotas = self._quotas(name)
        self.check_job_bytes(name, input_bytes, "inputs")
        waiting = self.open_jobs(name)
        if quotas.queued_jobs and waiting >= quotas.queued_jobs:
            raise _exceeded(
                f"{waiting} of your jobs have not ended, at most {quotas.queued_jobs} are allowed.",
                "Wait for some to end, or cancel some.", "queued_jobs", quotas.queued_jobs, waiting,
            )
        if quotas.gpu_seconds:
            used = self.seconds_today(name)
            if used >= quotas.gpu_seconds:
                raise _exceeded(
                    f"Your jobs used {used:,.0f} seconds of the devices in the last 24 hours, {quotas.gpu_seconds:,} "
                    "are allowed.", "Try again later, or ask an admin for more.", "gpu_seconds", quotas.gpu_seconds,
                    int(used),
                )
        if quotas.stored_bytes:
            stored = self.stored_bytes(name) + input_bytes
            if stored >= quotas.stored_bytes:
                raise _exceeded(
                    f"Your results take {stored / 1e6:,.0f} MB at the hub, {quotas.stored_bytes / 1e6:,.0f} MB are "
                    "allowed.", "They are freed as they grow old; ask an admin for more.", "stored_bytes",
                    quotas.stored_bytes, stored,
                )

    def check_priority(self, name: str, priority: str) -> None:
        """Whether the user may put a job into this class. Raises NotAllowed."""
        if priority not in OPEN_CLASSES:
            account = OWNER if name == LOCAL else self.account(name)
            require_lead(account, f"the class {priority}")

    def _quotas(self, name: str) -> Quotas:
        account = OWNER if name == LOCAL else self._users.get(name)
        return account.quotas if account is not None else BY_ROLE["artist"]

    def check_job_bytes(self, name: str, size: int, what: str) -> None:
        """Whether one job may have so many bytes of `what` (inputs or result). Raises QuotaExceeded."""
        limit = self._quotas(name).job_bytes
        if limit and size > limit:
            raise _exceeded(
                f"The job's {what} have {size / 1e6:,.0f} MB, at most {limit / 1e6:,.0f} MB are allowed.",
                "Make them smaller, or ask an admin for more.", "job_bytes", limit, size,
            )

    def may_run(self, name: str, running: int) -> bool:
        """Whether one more of the user's jobs may run beside so many others. A user who is gone has no limit."""
        account = OWNER if name == LOCAL else self._users.get(name)
        limit = account.quotas.running_jobs if account is not None else 0
        return not limit or running < limit

    def open_jobs(self, name: str) -> int:
        """How many of the user's jobs have not ended."""
        return self._count(name, OPEN)

    def _count(self, name: str, states: Sequence[str]) -> int:
        marks = ",".join("?" * len(states))
        return int(self._store.db.execute(
            f"SELECT count(*) FROM jobs WHERE user=? AND state IN ({marks})", (name, *states)
        ).fetchone()[0])

    def seconds_today(self, name: str) -> float:
        """Seconds of devices that the user's jobs used in the last 24 hours, those that run included."""
        now = self._clock()
        row = self._store.db.execute(
            "SELECT sum((coalesce(ended, ?) - max(began, ?)) * devices) FROM attempts "
            "JOIN jobs ON jobs.id=attempts.job WHERE user=? AND coalesce(ended, ?)>?",
            (now, now - DAY, name, now, now - DAY),
        ).fetchone()
        return float(row[0] or 0.0)

    def stored_bytes(self, name: str) -> int:
        """Bytes of all results of the user, as of some seconds ago."""
        seen, size = self._stored.get(name, (-DAY, 0))
        if abs(self._clock() - seen) > STORED_SECONDS:
            size = int(self._store.db.execute(
                "SELECT coalesce(sum(size), 0) FROM blobs WHERE hash IN "
                "(SELECT artefacts.hash FROM artefacts JOIN jobs ON jobs.id=artefacts.job WHERE user=?)", (name,),
            ).fetchone()[0])
            self._stored[name] = (self._clock(), size)
        return size

    def usage(self, account: Account) -> dict[str, float]:
        """What the user uses now, in the words of Quotas."""
        return {
            "queued_jobs": self.open_jobs(account.name), "running_jobs": self._count(account.name, WITH_WORKER),
            "gpu_seconds": round(self.seconds_today(account.name), 1), "stored_bytes": self.stored_bytes(account.name),
        }


def require_lead(account: Account, what: str) -> None:
    """Raises NotAllowed for an artist. what: `to ...`."""
    if not account.is_lead:
        raise NotAllowed(f"{account.name} is an artist; {what} takes a lead.", hint="Ask a lead or an admin.")


def require_admin(account: Account, what: str) -> None:
    """Raises NotAllowed for everybody but admins. what: `to ...`."""
    if not account.is_admin:
        raise NotAllowed(f"{account.name} has the role {account.role}; {what} takes an admin.", hint="Ask an admin.")


def _exceeded(message: str, hint: str, quota: str, limit: int, got: int) -> QuotaExceeded:
    # Not to be tried again by itself: the numbers are for a person to look at.
    return QuotaExceeded(message, hint=hint, retryable=False, detail={"quota": quota, "limit": limit, "got": got})


