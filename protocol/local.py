# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the hub of this machine: its data folder, and the file that says where it listens.

A local hub writes `connection.json` (mode 0600) into its data folder as soon as it answers: addresses, the secret
that a client must show, its process id. The file is replaced in one step, so a reader sees all of it or none.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import NotConnected

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
    """What a connection file says. address: for clients. back_address: for workers. token: 64 hex digits."""

    address: str
    back_address: str
    token: str
    epoch: int
    pid: int
    software: str = ""

    @property
    def secret(self) -> bytes:
        """The token as bytes."""
        return bytes.fromhex(self.token)


def write_connection_file(folder: Path, info: ConnectionInfo) -> Path:
    """Put the file into `folder`, readable by its owner only."""
    path = folder / FILE_NAME
    temporary = folder / f".{FILE_NAME}.{info.pid}"
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(info), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
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
        )
        if len(info.secret) != 32:
            raise ValueError("the token is not 32 bytes")
        return info
    except FileNotFoundError as problem:
        raise NotConnected(
            f"No hub has left its address in {path.parent}.", hint="Start one with: maquette serve"
        ) from problem
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise NotConnected(
            f"The connection file {path} cannot be read ({problem}).",
            hint="Stop the hub, delete the file, start again.",
        ) from problem
