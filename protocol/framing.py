# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of bytes <-> one message envelope; every malformed input is a ProtocolError, and nothing else.

    0   signature and version   AA B7, major, reserved     4 bytes
    1   header                  msgpack map, at most 64 KiB and 8 levels deep
    2+  payload                 0 to 64 frames of at most 1 MiB

(a ROUTER puts its routing id in front; that is the socket owner's business). Decoding decides by plain rules what
msgpack alone lets through: timestamps, keys that are not text, double keys, NaN, deep nesting, and headers that
are small on the wire and large in memory (protocol reference, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from . import checks
from .arrays import FRAME_BYTES, MAX_DESCRIPTORS, Buffer, Descriptor
from .errors import BadRequest, MaquetteError, ProtocolError, TooLarge

MAJOR = 1  # version of the protocol; the same major only ever gains optional fields
SIGNATURE = b"\xaa\xb7"
MAX_HEADER = 64 * 1024
MAX_DEPTH = 8
MAX_CONTAINERS = 1024  # maps and lists in one header
MAX_STRING = 16 * 1024  # bytes of UTF-8 in one string; single fields are checked more narrowly
MAX_PAYLOAD_FRAMES = 64
MAX_FRAME = 8 << 20  # what the sockets refuse (ZMQ_MAXMSGSIZE); a payload frame holds FRAME_BYTES at most


class BadSignature(ProtocolError):
    """Not our protocol at all: to be dropped without an answer."""


@dataclass(frozen=True)
class Envelope:
    """One message on its way: the header's fields, the array descriptors and the payload frames.

    type: name of the message. id: 16 bytes of this message, or empty. re: id of the message that this one answers.
    sid: session. job: 32 hex digits or empty. seq: durable event number. epoch: of the hub. body: the message's own
    fields. arrays: descriptors. payload: frames. major: version of the protocol that it is written in.
    """

    type: str
    id: bytes = b""
    re: bytes = b""
    sid: bytes = b""
    job: str = ""
    seq: int = 0
    epoch: int = 0
    time_us: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    arrays: tuple[Descriptor, ...] = ()
    payload: tuple[Buffer, ...] = ()
    major: int = MAJOR


class _Counter:
    """Counts maps and lists while msgpack builds them, so that 64 KiB of empty maps stop early."""

    def __init__(self) -> None:
        self.seen = 0

    def count(self) -> None:
        self.seen += 1
        if self.seen > MAX_CONTAINERS:
            raise ValueError(f"more than {MAX_CONTAINERS} maps and lists")

    def pairs(self, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        self.count()
        result: dict[str, Any] = {}
        for key, value in pairs:
            if type(key) is not str:
                raise ValueError("a key is not text")
            if key in result:
                raise ValueError(f"the key {key[:40]!r} comes twice")
            result[key] = value
        return result

    def list(self, values: list[Any]) -> list[Any]:
        self.count()
        return values


def _refuse_ext(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code} is not allowed")


def _check_plain(value: Any, depth: int) -> None:
    kind = type(value)
    if kind is dict or kind is list:
        if depth >= MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels deep")
        for one in value.values() if kind is dict else value:
            _check_plain(one, depth + 1)
        if kind is dict:
            for key in value:
                if len(key) > 64:
                    raise ValueError("a key has more than 64 characters")
    elif kind is str:
        if len(value) > MAX_STRING:
            raise ValueError(f"a string has more than {MAX_STRING} characters")
    elif kind is float:
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    elif value is not None and kind not in (int, bool, bytes):
        raise ValueError(f"{kind.__name__} is not allowed")


def decode_header(frame: Buffer) -> dict[str, Any]:
    """The header map, made of dict, list, str, bytes, int, bool, finite float and None only."""
    if len(frame) > MAX_HEADER:
        raise ProtocolError(f"The header has {len(frame)} bytes, at most {MAX_HEADER} are allowed.")
    counter = _Counter()
    try:  # every decode error of msgpack is a ValueError
        head = msgpack.unpackb(
            frame, ext_hook=_refuse_ext, object_pairs_hook=counter.pairs, list_hook=counter.list
        )
        if type(head) is not dict:
            raise ValueError("it is not a map")
        _check_plain(head, 0)
    except ValueError as problem:
        raise ProtocolError(f"The header cannot be read: {str(problem)[:200] or type(problem).__name__}.") from problem
    return head


_type = checks.text(32, minimum=1, pattern="[A-Z][A-Z_]*")
_id = checks.octets(16, exact=16)
_sid = checks.octets(64)
_u63 = checks.integer(0, 2**63 - 1)
_u32 = checks.integer(0, 2**32 - 1)


def encode(envelope: Envelope) -> list[Buffer]:
    """Frames of an envelope. Raises TooLarge when the header or a payload frame is over its limit."""
    head: dict[str, Any] = {"t": envelope.type}
    if envelope.id:
        head["id"] = envelope.id
    if envelope.re:
        head["re"] = envelope.re
    if envelope.sid:
        head["sid"] = envelope.sid
    if envelope.job:
        head["job"] = bytes.fromhex(envelope.job)
    if envelope.seq:
        head["seq"] = envelope.seq
    if envelope.epoch:
        head["ep"] = envelope.epoch
    if envelope.time_us:
        head["ts"] = envelope.time_us
    if envelope.body:
        head["b"] = envelope.body
    if envelope.arrays:
        head["bufs"] = [one.to_map() for one in envelope.arrays]
    header = msgpack.packb(head)
    if len(header) > MAX_HEADER:
        raise TooLarge(
            f"The {envelope.type} message's header has {len(header):,} bytes, at most {MAX_HEADER:,} are allowed.",
            path="header", detail={"limit": MAX_HEADER, "got": len(header)},
        )
    if len(envelope.payload) > MAX_PAYLOAD_FRAMES or any(len(one) > FRAME_BYTES for one in envelope.payload):
        raise TooLarge("A message holds at most 64 payload frames of 1 MiB.", path="payload")
    return [SIGNATURE + bytes((envelope.major, 0)), header, *envelope.payload]


def decode(frames: Sequence[Buffer]) -> Envelope:
    """The envelope of received frames (without a routing id).

    Raises BadSignature (drop it silently) or ProtocolError (answer with ERROR); never anything else.
    """
    if len(frames) < 2 or len(frames[0]) != 4 or bytes(frames[0][:2]) != SIGNATURE:
        raise BadSignature("These frames do not begin with the protocol's signature.")
    if len(frames) > 2 + MAX_PAYLOAD_FRAMES:
        raise ProtocolError(f"The message has {len(frames) - 2} payload frames, at most 64 are allowed.")
    payload = tuple(frames[2:])
    if any(len(one) > FRAME_BYTES for one in payload):
        raise ProtocolError("A payload frame has more than 1 MiB.")
    head = decode_header(frames[1])
    try:
        bufs = head.get("bufs", [])
        if type(bufs) is not list or len(bufs) > MAX_DESCRIPTORS:
            raise BadRequest(f"bufs must be a list of at most {MAX_DESCRIPTORS} descriptors.", path="bufs")
        return Envelope(
            type=_type(head.get("t"), "t"),
            id=_id(head["id"], "id") if "id" in head else b"",
            re=_id(head["re"], "re") if "re" in head else b"",
            sid=_sid(head.get("sid", b""), "sid"),
            job=_id(head["job"], "job").hex() if "job" in head else "",
            seq=_u63(head.get("seq", 0), "seq"),
            epoch=_u32(head.get("ep", 0), "ep"),
            time_us=_u63(head.get("ts", 0), "ts"),
            body=checks.mapping(head.get("b", {}), "b"),
            arrays=tuple(Descriptor.from_map(one, f"bufs[{place}]") for place, one in enumerate(bufs)),
            payload=payload,
            major=frames[0][2],
        )
    except MaquetteError as problem:
        raise ProtocolError(f"The header is wrong: {problem.message}", detail=problem.detail) from problem
