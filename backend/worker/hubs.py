# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a worker finds its hub: in the connection file of a data folder, or where it was told.

A local hub may come back at another address, so its file is read again; a hub on another machine stays where its
pairing string says. Keys travel to a worker's process through its standard input, never as an argument or in the
environment, which every user of the machine can read.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from protocol.errors import BadRequest, NotConnected
from protocol.keys import Keys, Pairing
from protocol.local import read_connection_file


@dataclass(frozen=True)
class Hub:
    """One hub that can be dialled. address: for workers. token: to be shown. started: differs after a restart."""

    address: str
    token: bytes = field(default=b"", repr=False)
    keys: Keys | None = None
    started: int = 0

    def to_line(self) -> str:
        """All of it as one line, for the standard input of a process."""
        keys = None if self.keys is None else {"server": self.keys.server.hex(), "secret": self.keys.secret.hex()}
        return json.dumps({"address": self.address, "token": self.token.hex(), "keys": keys}) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Hub:
        """Read what `to_line` wrote. Raises BadRequest."""
        try:
            values = json.loads(line)
            keys = values["keys"]
            pair = None if keys is None else Keys(bytes.fromhex(keys["server"]), bytes.fromhex(keys["secret"]))
            return cls(str(values["address"]), bytes.fromhex(values["token"]), pair)
        except (ValueError, KeyError, TypeError) as problem:
            raise BadRequest("The hub's address was not handed over rightly.", path="hub") from problem


class HubSource(Protocol):
    """lasting: keep trying for ever; a worker of a local hub ends when the hub does not come back."""

    lasting: bool

    def find(self) -> Hub | None:
        """The hub as it is now, None while there is none."""


class FolderHub:
    """The hub of a data folder on this machine."""

    lasting = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self) -> Hub | None:
        try:
            info = read_connection_file(self._folder)
        except NotConnected:
            return None
        return Hub(info.back_address, info.secret, info.worker_keys, info.pid)


class KnownHub:
    """A hub that stays where it is."""

    def __init__(self, hub: Hub, lasting: bool = True) -> None:
        self._hub = hub
        self.lasting = lasting

    def find(self) -> Hub | None:
        return self._hub


def paired(pairing: Pairing) -> Hub:
    """The hub of a pairing string that was made for a worker. Raises BadRequest for one made for a person."""
    if pairing.kind != "worker":
        raise BadRequest(
            f"This pairing string is for {pairing.name} at a desk, not for a worker.", path="hub",
            hint="Make one for a worker's machine: `maquette keys --help` says how.",
        )
    return Hub(pairing.address, keys=pairing.keys)


def end_with(lifeline: IO[str] = sys.stdin) -> None:
    """End this process at once when `lifeline` is closed, which happens when the process at its other end is gone."""

    def wait() -> None:
        while lifeline.read(1):
            pass
        os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
