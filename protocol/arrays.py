# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays on the wire: a descriptor in the header, raw little-endian bytes in frames or in a blob.

The dtype of an array comes out of a fixed table, never out of text from the peer, and nothing is allocated before
the descriptor's numbers agree with each other and with a limit. Bytes are verified by SHA-256. An array that
travels inside its message fills consecutive frames of at most 1 MiB, beginning with frame `where`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks
from .errors import BadRequest, ProtocolError, TooLarge

FRAME_BYTES = 1 << 20  # one payload frame, protocol reference section 3
MAX_ARRAY_BYTES = 2 << 30  # one array, section 15
MAX_DESCRIPTORS = 256  # in one message, section 15
MAX_DIMENSIONS = 4
IN_BLOB = -1  # `where` of an array that is fetched by its hash

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name)
    for name in ("|u1", "|i1", "|b1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8")
}
CODECS = ("raw",)  # others are negotiated as features; a peer that did not offer them gets only raw

Buffer = bytes | bytearray | memoryview

_name = checks.text(64, minimum=1, pattern="[a-z][a-z0-9_]*")
_dtype = checks.one_of(*DTYPES)
_shape = checks.listing(checks.integer(0, 2**31 - 1), MAX_DIMENSIONS)
_size = checks.integer(0, MAX_ARRAY_BYTES)
_codec = checks.one_of(*CODECS)
_hash = checks.octets(32, exact=32)
_where = checks.integer(IN_BLOB, 63)


@dataclass(frozen=True)
class Descriptor:
    """One array of a message.

    name: lower case identifier. dtype: key of DTYPES. shape: up to 4 dimensions. size: bytes, product of the shape
    times the item size. hash: SHA-256 of the bytes. where: index of the first payload frame, or IN_BLOB.

    Raises BadRequest or TooLarge naming the field.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    hash: bytes
    where: int = IN_BLOB
    codec: str = "raw"

    def __post_init__(self) -> None:
        _name(self.name, "n")
        _dtype(self.dtype, "d")
        object.__setattr__(self, "shape", _shape(self.shape, "s"))
        _size(self.size, "z")
        _hash(self.hash, "h")
        _where(self.where, "w")
        _codec(self.codec, "c")
        expected = math.prod(self.shape) * DTYPES[self.dtype].itemsize
        if expected != self.size:
            raise BadRequest(
                f"Array {self.name}: shape {self.shape} of {self.dtype} needs {expected} bytes, the descriptor says "
                f"{self.size}.", path="z",
            )

    @property
    def frames(self) -> int:
        """Number of payload frames that the array fills inside its message."""
        return 0 if self.where == IN_BLOB else -(-self.size // FRAME_BYTES)

    def to_map(self) -> dict[str, Any]:
        """The descriptor under its wire keys."""
        return {
            "n": self.name, "d": self.dtype, "s": list(self.shape), "z": self.size, "c": self.codec,
            "h": self.hash, "w": "blob" if self.where == IN_BLOB else self.where,
        }

    @classmethod
    def from_map(cls, values: Any, path: str = "bufs") -> Descriptor:
        """Check and build; unknown keys are ignored."""
        checks.mapping(values, path)
        missing = [key for key in "ndszchw" if key not in values]
        if missing:
            raise BadRequest(f"{path} lacks {', '.join(missing)}.", path=path)
        where = IN_BLOB if values["w"] == "blob" else checks.integer(0, 63)(values["w"], "w")
        shape = values["s"] if type(values["s"]) is list else None
        return cls(values["n"], values["d"], shape, values["z"], values["h"], where, values["c"])  # type: ignore[arg-type]


def wire_array(array: NDArray[Any]) -> NDArray[Any]:
    """The array in wire form: C-contiguous, little-endian, of a dtype in the table. Copies only when it has to.

    Raises BadRequest for a dtype that cannot travel (object, complex, text, ...) or more than 4 dimensions.
    """
    little = array.dtype.newbyteorder("<")
    name = little.str if little.itemsize > 1 else "|" + little.str[1:]
    if name not in DTYPES:
        raise BadRequest(f"Arrays of {array.dtype} cannot be sent, only {', '.join(DTYPES)}.", path="d")
    if array.ndim > MAX_DIMENSIONS:
        raise BadRequest(f"The array has {array.ndim} dimensions, at most {MAX_DIMENSIONS} are allowed.", path="s")
    contiguous = np.ascontiguousarray(array, dtype=DTYPES[name])
    return contiguous.reshape(array.shape)  # ascontiguousarray makes a scalar one-dimensional


def describe(name: str, array: NDArray[Any], where: int = IN_BLOB) -> tuple[Descriptor, memoryview]:
    """Descriptor and bytes of an array; the bytes are a view of it, so keep it unchanged until they are sent."""
    ready = wire_array(array)
    if ready.nbytes > MAX_ARRAY_BYTES:
        raise TooLarge(f"Array {name} has {ready.nbytes:,} bytes, at most {MAX_ARRAY_BYTES:,} are allowed.", path="z")
    data = memoryview(ready.reshape(-1).view(np.uint8).data) if ready.size else memoryview(b"")
    dtype = ready.dtype.str
    return Descriptor(name, dtype, ready.shape, len(data), hashlib.sha256(data).digest(), where), data


def split(data: Buffer) -> list[memoryview]:
    """The bytes as frames of at most 1 MiB."""
    view = memoryview(data)
    return [view[begin : begin + FRAME_BYTES] for begin in range(0, len(view), FRAME_BYTES)]


def inline(arrays: dict[str, NDArray[Any]]) -> tuple[tuple[Descriptor, ...], tuple[memoryview, ...]]:
    """Descriptors and payload frames for arrays that travel inside their message."""
    descriptors: list[Descriptor] = []
    payload: list[memoryview] = []
    for name, array in arrays.items():
        descriptor, data = describe(name, array, where=len(payload))
        descriptors.append(descriptor)
        payload.extend(split(data))
    return tuple(descriptors), tuple(payload)


def from_bytes(descriptor: Descriptor, data: Buffer, *, verify: bool = True) -> NDArray[Any]:
    """A view of the bytes as the described array, after comparing size and (with `verify`) hash."""
    if len(data) != descriptor.size:
        raise ProtocolError(f"Array {descriptor.name}: {len(data)} bytes came, {descriptor.size} were announced.")
    if verify and hashlib.sha256(data).digest() != descriptor.hash:
        raise ProtocolError(f"Array {descriptor.name}: the bytes do not have the announced hash.")
    return np.frombuffer(data, DTYPES[descriptor.dtype]).reshape(descriptor.shape)


def from_payload(descriptors: Sequence[Descriptor], payload: Sequence[Buffer]) -> dict[str, NDArray[Any]]:
    """All arrays of a message that travel in its frames; those in blobs are left out.

    An array of one frame is a view of that frame; a longer one is copied together. Raises ProtocolError when a
    descriptor points past the payload, bytes do not match, or the arrays together claim more than there is: 256
    descriptors of the same 64 frames would be copied to 16 GiB.
    """
    result: dict[str, NDArray[Any]] = {}
    if sum(one.size for one in descriptors if one.where != IN_BLOB) > sum(len(part) for part in payload):
        raise ProtocolError("The arrays of the message announce more bytes than it holds.")
    for one in descriptors:
        if one.where == IN_BLOB:
            continue
        parts = payload[one.where : one.where + one.frames]
        if len(parts) != one.frames or sum(len(part) for part in parts) != one.size:
            raise ProtocolError(f"Array {one.name}: its frames do not hold the announced {one.size} bytes.")
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        result[one.name] = from_bytes(one, data)
    return result
