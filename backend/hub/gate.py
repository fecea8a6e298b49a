# SPDX-License-Identifier: GPL-3.0-or-later
"""What every message passes before anybody looks at it: whose key is it from, and is the user not too fast?

The handshake asked once (`zap`); this asks again for each message, because a key can be revoked and an encrypted
connection stays open for days. A peer whose key is no longer good hears so once and loses its connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from backend.hub.accounts import OWNER, WORKER, Account, Accounts
from backend.hub.audit import Refusals
from backend.hub.limits import BULK, CONTROL, Rates
from backend.hub.store import Store
from backend.hub.wire import Line, Port, Received
from protocol.errors import OutOfSpace, WrongKey
from protocol.keys import fingerprint
from protocol.messages import Error

log = logging.getLogger("maquette.hub")

BULK_TYPES = ("BLOB_GET", "CREDIT", "BLOB_CHECK", "BLOB_PUT")


class Gate:
    """For front and back. clock: monotonic seconds."""

    def __init__(self, accounts: Accounts, store: Store, clock: Callable[[], float]) -> None:
        self.accounts = accounts
        self._store = store
        self._control = Rates(CONTROL, clock)
        self._bulk = Rates(BULK, clock)
        self._refusals = Refusals(clock)

    @property
    def too_fast(self) -> int:
        """Messages that were dropped because their user sent too many."""
        return self._control.dropped + self._bulk.dropped

    def client(self, port: Port, received: Received) -> Account | None:
        """Who says this; None when the message is to be dropped. Raises TooFast, once a second at most."""
        account = self.accounts.of_key(received.key)
        if account is None or account.role == WORKER:
            self._part(port, received)
            return None
        if account is OWNER:  # on the hub's own machine, with the right to stop it altogether
            return account
        rates = self._bulk if received.envelope.type in BULK_TYPES else self._control
        return account if rates.take(account.name) else None

    def worker(self, port: Port, received: Received) -> Account | None:
        """Which machine's worker says this (the owner for one of this machine); None when it is to be dropped."""
        account = self.accounts.of_key(received.key)
        if account is None or (account is not OWNER and account.role != WORKER):
            self._part(port, received)
            return None
        return account

    def refused(self, user: str, what: str, about: str = "", key: str = "", detail: str = "") -> None:
        """Write a refusal into the audit log and the hub's log, at a bounded rate."""
        if not self._refusals.allow():
            return
        log.info("%s: %s %s %s", what, user or "-", about, detail)
        try:
            with self._store.acting(key):
                self._store.audit(user, what, about, detail)
        except OutOfSpace as problem:
            log.error("a refusal could not be written down: %s", problem)

    def knocked(self, door: str, key: str, address: str) -> None:
        """A handshake with a key that is not good (`zap.Doorkeeper`)."""
        self.refused("", "refused key", door, key, f"{fingerprint(bytes.fromhex(key))} from {address}")

    def tick(self) -> None:
        """Forget who has been quiet."""
        self._control.forget_idle()
        self._bulk.forget_idle()

    @staticmethod
    def _part(port: Port, received: Received) -> None:
        port.part(received.peer, Line.of(received.descriptor), Error(revoked()))


def revoked() -> WrongKey:
    """What the owner of a revoked key hears."""
    return WrongKey(
        "The hub no longer accepts this machine's key: it was revoked.",
        hint="Ask an admin of the hub for a new pairing string.",
    )
