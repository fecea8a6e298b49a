# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of the encrypted wire (CURVE), and the pairing string that brings them to another machine.

A hub has one key pair, every machine that talks to it has its own. A pairing string is one line that holds all a
machine needs: the hub's address and public key, and the secret key made for this machine. Whoever has the line is
let in, so it is a secret: it is shown once, and kept in a file that only its owner can read. It consists of letters
and digits only, so that a double click selects all of it and a mail program cannot break it unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from .errors import BadRequest, NotAllowed, VersionMismatch

KEY_BYTES = 32
PREFIX, VERSION = "mq", "1"
CHECK_BYTES = 5
KINDS = ("client", "worker")

_FORM = re.compile(r"mq(?P<version>\d)(?P<rest>[a-z2-7]+)")
_ADDRESS = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[^\[\]:/\s]+):\d{1,5}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True)
class KeyPair:
    """One machine's own keys, 32 bytes each."""

    public: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> KeyPair:
        """A fresh pair from the system's random numbers."""
        public, secret = zmq.curve_keypair()
        return cls(z85.decode(public), z85.decode(secret))

    @classmethod
    def of(cls, secret: bytes) -> KeyPair:
        """The pair that a secret key belongs to."""
        return cls(z85.decode(zmq.curve_public(z85.encode(secret))), secret)


@dataclass(frozen=True)
class Keys:
    """What a socket needs to reach one hub: the hub's public key and its own secret key, 32 bytes each."""

    server: bytes
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.server) != KEY_BYTES or len(self.secret) != KEY_BYTES:
            raise BadRequest("A key has 32 bytes.", path="keys")

    def secure(self, socket: zmq.Socket[Any]) -> None:
        """Make a socket that is not connected yet speak CURVE with the hub and with nobody else."""
        own = KeyPair.of(self.secret)
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)


def fingerprint(public: bytes) -> str:
    """A public key as people compare it: 16 hex digits in groups of four."""
    digits = hashlib.sha256(public).hexdigest()[:16]
    return "-".join(digits[at : at + 4] for at in range(0, 16, 4))


def check_name(name: str) -> str:
    """A user's or machine's name as it is. Raises BadRequest."""
    if _NAME.fullmatch(name) is None:
        raise BadRequest(
            f"{name[:80]!r} cannot be a name.", path="name",
            hint="Use up to 32 letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
        )
    return name


@dataclass(frozen=True)
class Pairing:
    """What a pairing string says. kind: `client` or `worker`. name: the user, or the worker's machine.

    address: `tcp://host:port` of the hub, for clients or for workers, as `kind` says.
    """

    name: str
    address: str
    keys: Keys
    kind: str = "client"

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.kind not in KINDS:
            raise BadRequest(f"A pairing is for a client or a worker, not for {self.kind!r}.", path="kind")
        if _ADDRESS.fullmatch(self.address) is None or len(self.address) > 255:
            raise BadRequest(
                f"{self.address[:80]!r} is not the address of a hub.", path="address",
                hint="It has the form tcp://host:port.",
            )

    def text(self) -> str:
        """The pairing string: `mq`, the version of this format, then letters and digits."""
        name, address = self.name.encode(), self.address.encode()
        packed = b"".join((
            bytes([KINDS.index(self.kind)]), self.keys.server, self.keys.secret, bytes([len(name)]), name,
            bytes([len(address)]), address,
        ))
        return PREFIX + VERSION + base64.b32encode(packed + _checksum(packed)).decode().rstrip("=").lower()

    @classmethod
    def parse(cls, text: str) -> Pairing:
        """Read a pairing string as people paste it: white space, quotes and upper case do not matter.

        Raises BadRequest when it is not one or not complete, VersionMismatch when it is of a later format.
        """
        cleaned = re.sub(r"[\s\u200b\ufeff\"'`<>]+", "", text).lower()
        match = _FORM.fullmatch(cleaned)
        if match is None:
            raise BadRequest(
                "This is not a pairing string: those begin with mq1 and hold letters and digits only.", path="pairing",
                hint="Copy the whole line that `maquette keys pair` printed.",
            )
        if match["version"] != VERSION:
            raise VersionMismatch(
                f"The pairing string has format {match['version']}, this version of Maquette reads {VERSION}.",
                hint="Update Maquette on this machine, or make a new string with the same version as here.",
            )
        rest = match["rest"].upper()
        try:
            packed = base64.b32decode(rest + "=" * (-len(rest) % 8))
        except binascii.Error as problem:
            raise _damaged() from problem
        content, check = packed[:-CHECK_BYTES], packed[-CHECK_BYTES:]
        if check != _checksum(content):
            raise _damaged()
        try:
            kind, server, secret = KINDS[content[0]], content[1:33], content[33:65]
            end = 66 + content[65]
            name, address = content[66:end].decode(), content[end + 1 :].decode()
            if len(address.encode()) != content[end]:
                raise ValueError("its length is wrong")
        except (IndexError, ValueError) as problem:
            raise _damaged() from problem
        return cls(name, address, Keys(server, secret), kind)


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(b"maquette pairing" + content).digest()[:CHECK_BYTES]


def _damaged() -> BadRequest:
    return BadRequest(
        "The pairing string is damaged or not complete: its checksum does not fit.", path="pairing",
        hint="Copy the whole line that `maquette keys pair` printed.",
    )


def check_private(path: Path, mode: int) -> None:
    """Refuse a file or folder that others than its owner can open. mode: 0o600 or 0o700. Raises NotAllowed.

    Windows has no such modes; there the user's profile folder is private by itself.
    """
    found = stat.S_IMODE(path.stat().st_mode)
    if os.name != "nt" and found & ~mode:
        raise NotAllowed(
            f"{path} holds secret keys but has mode {found:04o}, so others than its owner can open it.",
            hint=f"If nobody has read it, run: chmod {mode:o} {path}. Otherwise revoke the keys and make new ones.",
        )


def write_private(path: Path, content: str) -> None:
    """Put a secret into a file of mode 0600, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_pairing_file(path: Path) -> Pairing:
    """The pairing string in a file of mode 0600. Raises NotAllowed for a wider mode, BadRequest for what is wrong."""
    try:
        check_private(path, 0o600)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadRequest(
            f"The pairing file {path} cannot be read ({problem}).", path="pairing",
            hint="Save the line that `maquette keys pair` printed into it.",
        ) from problem
    return Pairing.parse(text)
