# SPDX-License-Identifier: GPL-3.0-or-later
"""What every message is made of: the base class, its fields and their checks, and the tables of directions.

A message checks type, range and length of every field when it is made, on either side. `to_envelope` and
`from_envelope` move it to and from the header: `job`, `seq` and `sid` have their own header keys, `arrays` and
`payload` are descriptors and frames, everything else lies in the body. Fields that are not known are ignored.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from . import checks
from .arrays import FRAME_BYTES, IN_BLOB, MAX_DESCRIPTORS, Buffer, Descriptor
from .errors import BadRequest, MaquetteError, ProtocolError, UnknownType
from .framing import Envelope

MAX_JOBS = 256  # jobs named in one RESUME or JOBS message

HEAD = ("job", "seq", "sid", "epoch", "arrays", "payload")  # these lie outside the body

job_id = checks.text(32, pattern="[0-9a-f]{32}")
any_job = checks.text(32, pattern="([0-9a-f]{32})?")
u32 = checks.integer(0, 2**32 - 1)
u63 = checks.integer(0, 2**63 - 1)
byte_count = checks.integer(0, 4 << 30)
sha256 = checks.octets(32, exact=32)
word = checks.text(64)
line = checks.text(4096)
short_texts = checks.listing(checks.text(256, printable=True), 64)
feature_names = checks.listing(checks.text(32, pattern="[a-z0-9_+.-]*"), 64)



def descriptors(value: Any, path: str) -> tuple[Descriptor, ...]:
    """Array descriptors; outside `arrays` (a body) they come as maps."""
    if type(value) not in (tuple, list) or len(value) > MAX_DESCRIPTORS:
        raise BadRequest(f"{path} must be a list of at most {MAX_DESCRIPTORS} descriptors.", path=path)
    return tuple(one if type(one) is Descriptor else Descriptor.from_map(one, path) for one in value)


def in_blobs(value: Any, path: str) -> tuple[Descriptor, ...]:
    """Descriptors of arrays that do not travel in this message."""
    found = descriptors(value, path)
    for one in found:
        if one.where != IN_BLOB or one.codec != "raw":
            raise BadRequest(f"{path}: array {one.name} must lie in a blob, uncompressed.", path=path)
    return found


def frames(value: Any, path: str) -> tuple[Buffer, ...]:
    if type(value) is not tuple:
        raise BadRequest(f"{path} must be a tuple of frames.", path=path)
    return value


def one_frame(value: Any, path: str) -> tuple[Buffer, ...]:
    if type(value) is not tuple or len(value) != 1 or len(value[0]) > FRAME_BYTES:
        raise BadRequest(f"{path} must be exactly one frame of at most 1 MiB.", path=path)
    return value


def error_map(value: Any, path: str) -> MaquetteError:
    return value if isinstance(value, MaquetteError) else MaquetteError.from_map(checks.mapping(value, path))


def positions(value: Any, path: str) -> dict[str, int]:
    """Map of job id to the last event number that the client has."""
    checks.mapping(value, path)
    if len(value) > MAX_JOBS:
        raise BadRequest(f"{path} names {len(value)} jobs, at most {MAX_JOBS} are allowed.", path=path)
    return {job_id(job, path): u63(seq, path) for job, seq in value.items()}


def wire(check: checks.Check, default: Any = MISSING) -> Any:
    """A dataclass field whose value must pass `check`."""
    return field(default=default, metadata={"check": check})


@dataclass(frozen=True)
class Message:
    """Base: checks at the door, and the way to and from an envelope."""

    TYPE: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, one.metadata["check"](getattr(self, one.name), one.name))

    def to_map(self) -> dict[str, Any]:
        """The body as plain values."""
        result: dict[str, Any] = {}
        for one in fields(self):
            if one.name not in HEAD:
                value = getattr(self, one.name)
                if isinstance(value, MaquetteError):
                    value = value.to_map()
                if type(value) is tuple:
                    value = [part.to_map() if type(part) is Descriptor else part for part in value]
                result[one.name] = value
        return result

    def to_envelope(self, *, id: bytes = b"", re: bytes = b"", time_us: int = 0) -> Envelope:
        """The message with its addresses, ready for `framing.encode`."""
        head = {one.name: getattr(self, one.name) for one in fields(self) if one.name in HEAD}
        return Envelope(self.TYPE, id=id, re=re, time_us=time_us, body=self.to_map(), **head)

    @classmethod
    def from_map(cls: type[M], body: dict[str, Any], head: dict[str, Any]) -> M:
        """Check and build from the body and the header's own fields. Raises BadRequest naming the field."""
        values: dict[str, Any] = {}
        for one in fields(cls):
            source = head if one.name in HEAD else body
            if one.name in source:
                values[one.name] = source[one.name]
            elif one.default is MISSING:
                raise BadRequest(f"{cls.TYPE} lacks {one.name}.", path=one.name)
        return cls(**values)

    @classmethod
    def from_envelope(cls: type[M], envelope: Envelope) -> M:
        """Check and build from a decoded envelope."""
        return cls.from_map(envelope.body, {name: getattr(envelope, name) for name in HEAD})


M = TypeVar("M", bound=Message)


Direction = dict[str, type[Message]]


def direction(*kinds: type[Message]) -> Direction:
    return {kind.TYPE: kind for kind in kinds}


def read(envelope: Envelope, direction: Direction) -> Message:
    """The message in an envelope. Raises UnknownType, or ProtocolError when a field is wrong."""
    kind = direction.get(envelope.type)
    if kind is None:
        raise UnknownType(f"Message type {envelope.type} is not known here.", hint="One side is newer than the other.")
    try:
        return kind.from_envelope(envelope)
    except BadRequest as problem:
        raise ProtocolError(f"{envelope.type}: {problem.message}", detail=problem.detail) from problem
