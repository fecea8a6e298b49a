# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the hub of this machine: its data folder, and the file that says where it listens.

A local hub writes `connection.json` (mode 0600) into its data folder as soon as it answers: addresses, the keys made
for this start, its process id. The file is replaced in one step, so a reader sees all of it or none.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import BadRequest, NotConnected
from .keys import Keys, write_private

FILE_NAME = "connection.json"


def default_data_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Where this user's hub keeps its store: MAQUETTE_DATA if set, else the platform's place for such data."""
    env = os.environ if environ is None else environ
    if env.get("MAQUETTE_DATA"):
        return Path(env["MAQUETTE_DATA"])
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if platform == "win32":
        return Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local") / "maquette"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "maquette"
    return Path(env.get("XDG_DATA_HOME") or home / ".local" / "share") / "maquette"


@dataclass(frozen=True)
class ConnectionInfo:
    """What a connection file says. address: for clients. back_address: for workers. token and keys: 64 hex digits.

    server_key: the hub's public key. client_key, worker_key: secret keys for whoever can read the file. All three are
    empty where the hub does not encrypt; the token stands for them then.
    """

    address: str
    back_address: str
    token: str = field(repr=False)
    epoch: int
    pid: int
    software: str = ""
    server_key: str = ""
    client_key: str = field(default="", repr=False)
    worker_key: str = field(default="", repr=False)

    @property
    def secret(self) -> bytes:
        """The token as bytes."""
        return bytes.fromhex(self.token)

    @property
    def keys(self) -> Keys | None:
        """For a client; None where the hub does not encrypt."""
        return Keys(bytes.fromhex(self.server_key), bytes.fromhex(self.client_key)) if self.server_key else None

    @property
    def worker_keys(self) -> Keys | None:
        """For a worker of this machine."""
        return Keys(bytes.fromhex(self.server_key), bytes.fromhex(self.worker_key)) if self.server_key else None


def write_connection_file(folder: Path, info: ConnectionInfo) -> Path:
    """Put the file into `folder`, readable by its owner only."""
    path = folder / FILE_NAME
    write_private(path, json.dumps(asdict(info), indent=1))
    return path


def read_connection_file(path: Path) -> ConnectionInfo:
    """Read `connection.json`, or the one in a data folder. Raises NotConnected when there is none that can be used."""
    if path.name != FILE_NAME:
        path = path / FILE_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        info = ConnectionInfo(
            address=str(values["address"]), back_address=str(values["back_address"]), token=str(values["token"]),
            epoch=int(values["epoch"]), pid=int(values["pid"]), software=str(values.get("software", "")),
            server_key=str(values.get("server_key", "")), client_key=str(values.get("client_key", "")),
            worker_key=str(values.get("worker_key", "")),
        )
        if len(info.secret) != 32:
            raise ValueError("the token is not 32 bytes")
        _ = info.keys, info.worker_keys  # raise here, where it can be said which file is wrong
        return info
    except FileNotFoundError as problem:
        raise NotConnected(
            f"No hub has left its address in {path.parent}.", hint="Start one with: maquette serve"
        ) from problem
    except (OSError, ValueError, KeyError, TypeError, BadRequest) as problem:
        raise NotConnected(
            f"The connection file {path} cannot be read ({problem}).",
            hint="Stop the hub, delete the file, start again.",
        ) from problem
