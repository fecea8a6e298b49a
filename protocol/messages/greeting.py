# SPDX-License-Identifier: GPL-3.0-or-later
"""The session itself: how it begins and ends, whether the other side is there, and what could not be done."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
from ..arrays import FRAME_BYTES
from ..errors import MaquetteError
from ..fields import Message, any_job, byte_count, error_map, feature_names, line, u32, wire, word


@dataclass(frozen=True)
class Hello(Message):
    """Opens a session on `ctl`, or joins one (`sid`) on `blk`. token: the secret of a local hub's connection file."""

    TYPE = "HELLO"
    min_major: int = wire(checks.integer(0, 255))
    max_major: int = wire(checks.integer(0, 255))
    software: str = wire(word)
    channel: str = wire(checks.one_of("ctl", "blk"))
    features: tuple[str, ...] = wire(feature_names, ())
    token: bytes = wire(checks.octets(64), b"")
    sid: bytes = wire(checks.octets(64), b"")


@dataclass(frozen=True)
class Welcome(Message):
    """The session stands: chosen major version, common features, the hub's limits in bytes, its epoch."""

    TYPE = "WELCOME"
    major: int = wire(checks.integer(0, 255))
    software: str = wire(word)
    sid: bytes = wire(checks.octets(64))
    epoch: int = wire(u32)
    features: tuple[str, ...] = wire(feature_names, ())
    user: str = wire(word, "")
    max_chunk: int = wire(byte_count, FRAME_BYTES)
    window: int = wire(byte_count, 4 * FRAME_BYTES)
    max_job_bytes: int = wire(byte_count, 4 << 30)


@dataclass(frozen=True)
class Ping(Message):
    """Are you there?"""

    TYPE = "PING"


@dataclass(frozen=True)
class Pong(Message):
    """Yes."""

    TYPE = "PONG"


@dataclass(frozen=True)
class Bye(Message):
    """The client leaves; its jobs go on."""

    TYPE = "BYE"


@dataclass(frozen=True)
class Draining(Message):
    """The hub is about to stop; jobs are kept, reconnect later."""

    TYPE = "DRAINING"
    reason: str = wire(line, "")


@dataclass(frozen=True)
class Error(Message):
    """A request failed, or bytes could not be read."""

    TYPE = "ERROR"
    error: MaquetteError = wire(error_map)
    job: str = wire(any_job, "")


@dataclass(frozen=True)
class Rejected(Message):
    """A HELLO or a SUBMIT is refused for good; resending it unchanged will not help."""

    TYPE = "REJECTED"
    error: MaquetteError = wire(error_map)
