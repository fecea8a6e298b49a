# SPDX-License-Identifier: GPL-3.0-or-later
"""Error -> the buttons that mend it. The panel draws them under the error's text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import installation, wire


@dataclass(frozen=True)
class Remedy:
    """A button: operator, its properties, and an icon."""

    operator: str
    icon: str
    properties: dict[str, Any] = field(default_factory=dict)


PREFERENCES = Remedy("maquette.preferences", "PREFERENCES")
CONNECT = Remedy("maquette.connect", "FILE_REFRESH")
PASTE = Remedy("maquette.paste_pairing", "PASTEDOWN")
LOG = Remedy("maquette.log", "TEXT")
NETWORK = Remedy("maquette.network", "URL")


def of_connection(error: Exception) -> list[Remedy]:
    """For what keeps the hub away, the likeliest first."""
    say = wire.errors
    code = getattr(error, "code", "")
    if code == "offline":
        return [NETWORK, CONNECT]
    if isinstance(error, say.NotAllowed):
        return [PASTE, CONNECT, PREFERENCES]
    if isinstance(error, say.VersionMismatch):
        return [PREFERENCES, CONNECT]
    if isinstance(error, say.BadRequest):
        return [PREFERENCES, PASTE]
    if code == "no_backend":
        return [PREFERENCES, CONNECT] if installation.installed_python() else [PREFERENCES, PASTE]
    return [CONNECT, LOG, PREFERENCES]


def of_job(error: Exception, job: str) -> list[Remedy]:
    """For what ended a job."""
    say = wire.errors
    again = Remedy("maquette.retry", "FILE_REFRESH", {"job": job})
    reuse = Remedy("maquette.reuse", "RECOVER_LAST", {"job": job})
    vary = Remedy("maquette.vary", "MOD_PARTICLES", {"job": job})
    if isinstance(error, (say.EmptySurface, say.TrainingDiverged)):
        return [vary, reuse]
    if isinstance(error, (say.BadRequest, say.PriorNotFound)):
        return [reuse]
    if isinstance(error, (say.UnknownJob, say.Cancelled)) or getattr(error, "retryable", False):
        return [again]
    if isinstance(error, (say.Poisoned, say.InternalError, say.WorkerCrashed)):
        return [again, LOG]
    return [again, reuse]
