# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever runs the hub can ask of it: users, keys, the audit log. Plain values in, plain values out.

The same actions serve a MANAGE message to a running hub and a command that found the hub stopped and opened the store
itself, so there is one way to change an account, and it is always in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from backend.hub import audit
from backend.hub.accounts import Account, Accounts, require_admin
from backend.hub.store import Store
from protocol import checks
from protocol.errors import BadRequest
from protocol.keys import KEY_BYTES, fingerprint

PAGE = 100  # rows in one answer, so that it fits a message's header

_text = checks.text(64)
_number = checks.integer(0, 2**62)
_key = checks.octets(KEY_BYTES, exact=KEY_BYTES)


class Management:
    """The actions. Each raises BadRequest, UnknownUser or NotAllowed with nothing changed."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts
        self._actions: dict[str, Callable[[Account, dict[str, Any]], dict[str, Any]]] = {
            "add user": lambda who, values: self._put_user(who, values, new=True),
            "set user": lambda who, values: self._put_user(who, values, new=False),
            "users": self._users, "add key": self._add_key, "revoke": self._revoke, "audit": self._audit,
        }

    def do(self, who: Account, action: str, values: dict[str, Any]) -> dict[str, Any]:
        """Carry out an action for an admin."""
        require_admin(who, f"the action {action!r}")
        found = self._actions.get(action)
        if found is None:
            raise BadRequest(f"The hub knows no action {action!r}.", path="action")
        return found(who, values)

    def _put_user(self, who: Account, values: dict[str, Any], *, new: bool) -> dict[str, Any]:
        name = _text(values.get("name"), "name")
        role = _text(values.get("role") or self._accounts.account(name).role, "role")
        quotas = checks.mapping(values.get("quotas", {}), "quotas")
        return self._described(self._accounts.put_user(who.name, name, role, quotas, new=new))

    def _users(self, who: Account, values: dict[str, Any]) -> dict[str, Any]:
        """A page of users in the order of their names. after: the last name of the page before."""
        after = _text(values.get("after", ""), "after")
        found = [one for one in self._accounts.users if one.name > after]
        return {"users": [self._described(one) for one in found[:PAGE]], "more": len(found) > PAGE}

    def _described(self, account: Account) -> dict[str, Any]:
        return {
            "name": account.name, "role": account.role, "created": account.created,
            "quotas": asdict(account.quotas), "usage": self._accounts.usage(account),
            "keys": [
                {"key": fingerprint(bytes.fromhex(one.public)), "created": one.created, "revoked": one.revoked}
                for one in self._accounts.keys_of(account.name)
            ],
        }

    def _add_key(self, who: Account, values: dict[str, Any]) -> dict[str, Any]:
        name = _text(values.get("name"), "name")
        public = _key(values.get("public"), "public")
        self._accounts.put_key(who.name, name, public)
        return {"key": fingerprint(public), "role": self._accounts.account(name).role}

    def _revoke(self, who: Account, values: dict[str, Any]) -> dict[str, Any]:
        name = _text(values.get("name"), "name")
        return {"keys": self._accounts.revoke(who.name, name, _text(values.get("key", ""), "key"))}

    def _audit(self, who: Account, values: dict[str, Any]) -> dict[str, Any]:
        """A page of the log, newest first. user: only what this one did. before: number of a row."""
        limit = checks.integer(1, PAGE)(values.get("limit", PAGE), "limit")
        user = _text(values.get("user", ""), "user")
        rows = audit.read(self._store.db, limit, user, _number(values.get("before", 2**62), "before"))
        return {"entries": [one.to_map() for one in rows]}
