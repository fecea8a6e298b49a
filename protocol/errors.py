# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that cross the house: raised by any room, carried over the wire as a map, shown to a person.

Every error says what happened and why (`message`), what to do about it (`hint`), and where (`stage`). `code` is
the stable name a program tests for, `kind` says whose move it is, `retryable` whether the same request can
succeed later without change. Tracebacks never travel; they stay in the job's log file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

KINDS = ("client", "resource", "worker", "server", "cancelled")

MAX_TEXT = 4096  # characters of a message or hint on the wire (protocol reference, section 15)


class MaquetteError(Exception):
    """Base of all errors of this product.

    message: what happened and why, one or two sentences. hint: what to do, naming the setting. code: stable
    name (`a_few_words`). stage: the recipe's stage, where one was running. detail: plain values for programs
    (numbers, paths of fields). attempt: which attempt of a job failed, 0 when it does not apply.
    """

    code: str = "internal"
    kind: str = "server"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        kind: str = "",
        stage: str = "",
        retryable: bool | None = None,
        attempt: int = 0,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        if kind and kind not in KINDS:
            raise ValueError(f"unknown kind of error {kind!r}, expected one of {KINDS}")
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.kind = kind or type(self).kind
        self.retryable = type(self).retryable if retryable is None else retryable
        self.stage = stage
        self.attempt = attempt
        self.detail: dict[str, Any] = dict(detail or {})

    def __str__(self) -> str:
        where = f" (while: {self.stage})" if self.stage else ""
        return f"{self.message}{where}" + (f" {self.hint}" if self.hint else "")

    def to_map(self) -> dict[str, Any]:
        """The error as a plain map for a message header; long texts are cut, never refused."""
        return {
            "code": self.code,
            "kind": self.kind,
            "retryable": self.retryable,
            "stage": self.stage,
            "attempt": self.attempt,
            "message": self.message[:MAX_TEXT],
            "hint": self.hint[:MAX_TEXT],
            "detail": _plain_map(self.detail),
        }

    @staticmethod
    def from_map(values: Any) -> MaquetteError:
        """Rebuild the error that `to_map` described; anything unusable becomes a default, never a second error, and
        what is longer than `to_map` would make it is cut."""
        if type(values) is not dict:
            return ProtocolError("The other side sent an error that cannot be read.")

        def text(key: str) -> str:
            value = values.get(key)
            return value[:MAX_TEXT] if type(value) is str else ""

        code = text("code") or "internal"
        error = MaquetteError(text("message") or "Unknown error.", hint=text("hint"), code=code, stage=text("stage"))
        error.__class__ = _BY_CODE.get(code, MaquetteError)
        error.kind = text("kind") if text("kind") in KINDS else type(error).kind
        error.retryable = values.get("retryable") is True
        error.attempt = values["attempt"] if type(values.get("attempt")) is int else 0
        error.detail = _plain_map(values["detail"]) if type(values.get("detail")) is dict else {}
        return error


def _plain_map(values: dict[Any, Any]) -> dict[str, Any]:
    return {str(key)[:64]: _plain(value) for key, value in list(values.items())[:64]}


def _plain(value: Any) -> Any:
    """The value where a message header can carry it, otherwise its text."""
    if value is None or type(value) in (bool, str, bytes):
        return value[:MAX_TEXT] if isinstance(value, (str, bytes)) else value
    if type(value) is int and -(2**63) <= value < 2**63 or type(value) is float and math.isfinite(value):
        return value
    if type(value) in (list, tuple):
        return [_plain(one) for one in value[:64] if type(one) not in (list, tuple)]
    return str(value)[:200]


class ProtocolError(MaquetteError):
    """Bytes that do not follow the protocol: bad signature, header, descriptor or frame count."""

    code, kind = "protocol", "client"


class VersionMismatch(MaquetteError):
    """The two sides share no major version of the protocol."""

    code, kind = "version", "client"


class BadRequest(MaquetteError):
    """A field of a request is wrong. `path` names it, for example `prompt`."""

    code, kind = "bad_request", "client"

    def __init__(self, message: str, *, path: str = "", **rest: Any) -> None:
        detail = dict(rest.pop("detail", None) or {})
        if path:
            detail["path"] = path
        super().__init__(message, detail=detail, **rest)

    @property
    def path(self) -> str:
        """Name of the field that is wrong, or an empty string."""
        return str(self.detail.get("path", ""))


class TooLarge(BadRequest):
    """A size is over its limit. detail: `limit`, `got`."""

    code = "too_large"


class UnknownKind(BadRequest):
    """A kind of job that this version cannot do. detail: `knows`."""

    code = "unknown_kind"


class NotAllowed(MaquetteError):
    """The peer did not prove who it is, or may not do this."""

    code, kind = "forbidden", "client"


class WrongKey(NotAllowed):
    """The hub does not accept this machine's key: it was never added, or was revoked, or there is none."""

    code = "wrong_key"


class WrongHub(NotAllowed):
    """Something answers at the address, but not the hub that this machine was paired with."""

    code = "wrong_hub"


class UnknownUser(MaquetteError):
    """The hub knows nobody of this name."""

    code, kind = "unknown_user", "client"


class KeyConflict(MaquetteError):
    """The same submit key was used before for another request."""

    code, kind = "key_conflict", "client"


class QuotaExceeded(MaquetteError):
    """More jobs or bytes than this user may have at once. detail: `limit`, `got`."""

    code, kind, retryable = "quota", "client", True


class TooFast(MaquetteError):
    """More messages in a second than one user may send; the same request can be sent again. detail: `limit`."""

    code, kind, retryable = "too_fast", "client", True


class UnknownJob(MaquetteError):
    """The hub has no job of this id. Never to be read as finished."""

    code, kind = "unknown_job", "client"


class UnknownBlob(MaquetteError):
    """The hub does not hold bytes with this hash."""

    code, kind = "unknown_blob", "client"


class NotWanted(MaquetteError):
    """No job of this user waits for these bytes. detail: `hash`."""

    code, kind = "not_wanted", "client"


class UnknownSession(MaquetteError):
    """The hub does not know this connection (it reconnected, or the hub restarted): greet again."""

    code, kind, retryable = "unknown_session", "client", True


class UnknownType(MaquetteError):
    """A message type that this side does not know."""

    code, kind = "unknown_type", "client"


class Cancelled(MaquetteError):
    """The job ended because someone asked for it."""

    code, kind = "cancelled", "cancelled"

    def __init__(self, message: str = "The job was cancelled.", **rest: Any) -> None:
        super().__init__(message, **rest)


class NotConnected(MaquetteError):
    """No hub answers at the address."""

    code, kind, retryable = "not_connected", "server", True


class TimedOut(MaquetteError):
    """Waiting took longer than the caller allowed."""

    code, kind, retryable = "timeout", "server", True


class PriorNotFound(MaquetteError):
    """A prior's folder or id is missing, is not one, or cannot be downloaded."""

    code, kind = "prior_not_found", "client"


class BrokenWeights(MaquetteError):
    """A weights file is truncated or does not fit its configuration."""

    code, kind = "broken_weights", "resource"


class EmptySurface(MaquetteError):
    """The field has no surface at any threshold that was tried."""

    code, kind = "empty_surface", "worker"


class TrainingDiverged(MaquetteError):
    """Optimisation produced values that are not finite, and going back did not help."""

    code, kind = "training_diverged", "worker"


class OutOfMemory(MaquetteError):
    """The device or the machine has not enough memory. detail: `need`, `free` in bytes where known."""

    code, kind, retryable = "gpu_oom", "resource", True


class OutOfSpace(MaquetteError):
    """The disk is full or about to be. detail: `folder`, `need`, `free` in bytes where known."""

    code, kind, retryable = "out_of_space", "resource", True


class WorkerCrashed(MaquetteError):
    """The worker process ended in the middle of the job. detail: `exit_code` or `signal`."""

    code, kind, retryable = "worker_crash", "worker", True


class LeaseLost(MaquetteError):
    """The job was given to another attempt; what this one still sends is refused."""

    code, kind, retryable = "lease_lost", "worker", True


class Poisoned(MaquetteError):
    """The job broke its worker on every attempt and is not tried again."""

    code, kind = "poison", "worker"


class InternalError(MaquetteError):
    """A defect of ours. detail: `ref`, the mark under which the log holds the traceback."""

    code, kind = "internal", "server"


def _subclasses(base: type[MaquetteError]) -> list[type[MaquetteError]]:
    return [found for child in base.__subclasses__() for found in (child, *_subclasses(child))]


_BY_CODE: dict[str, type[MaquetteError]] = {str(one.code): one for one in _subclasses(MaquetteError)}
