# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's own keys: a folder that only its owner can open, or a pair for one start where there is no such folder.

The folder holds `server.json` (mode 0600): the hub's secret key and the addresses that pairing strings name. The
keys of users and workers are not here: the store knows their public halves, and nobody but they has the secret ones.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from protocol.errors import BadRequest, NotAllowed
from protocol.keys import KEY_BYTES, KeyPair, check_private, write_private

FILE = "server.json"
FOLDER = "keys"  # in the hub's data folder, unless --keys says otherwise


@dataclass(frozen=True)
class ServerKeys:
    """A studio hub's identity. address, back_address: what pairing strings name, `tcp://host:port`."""

    secret: bytes = field(repr=False)
    address: str
    back_address: str

    @property
    def pair(self) -> KeyPair:
        """The secret key with its public half."""
        return KeyPair.of(self.secret)


def create(folder: Path, address: str, back_address: str) -> ServerKeys:
    """Make the folder (mode 0700) and a new server key in it. Raises NotAllowed when there is one already."""
    path = folder / FILE
    if path.exists():
        raise NotAllowed(
            f"{path} holds a server key already.",
            hint="All pairing strings depend on it. To start anew, move the folder away; everybody pairs again then.",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_private(folder, 0o700)
    keys = ServerKeys(KeyPair.new().secret, address, back_address)
    write_private(path, json.dumps({**asdict(keys), "secret": keys.secret.hex()}, indent=1) + "\n")
    return keys


def load(folder: Path) -> ServerKeys | None:
    """The server key of a folder, None where `create` was never called. Raises NotAllowed for modes that are too wide,
    BadRequest for a file that cannot be read."""
    path = folder / FILE
    if not path.exists():
        return None
    check_private(folder, 0o700)
    check_private(path, 0o600)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        keys = ServerKeys(bytes.fromhex(values["secret"]), str(values["address"]), str(values["back_address"]))
        if len(keys.secret) != KEY_BYTES:
            raise ValueError("the key is not 32 bytes")
        return keys
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadRequest(
            f"The server key {path} cannot be read ({problem}).", path="keys",
            hint="Restore it from a copy; without it every machine must be paired again (`maquette keys init`).",
        ) from problem


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def require_for(host: str, keys: ServerKeys | None, folder: Path) -> None:
    """Refuse to listen to other machines without keys. Raises NotAllowed."""
    if keys is None and not is_loopback(host):
        raise NotAllowed(
            f"The hub does not listen on {host} without keys: everybody in the network could use it.",
            hint=f"Make them with `maquette keys init` (they belong in {folder}, or where --keys says), "
            "or leave --host at 127.0.0.1.",
        )
