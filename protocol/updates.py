# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client learns: the updates that `Client.poll` gives back, and the view of a job that they add up to.

All are plain data. A job is named by its id, 32 hex digits, made by the client before it is sent; so a job can be
written down (in a scene, in a manifest) before the hub has heard of it.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from .errors import BadRequest, MaquetteError, ProtocolError
from .messages import FINAL_STATES, JobSummary
from .motion import Motion


class ConnectionState(enum.Enum):
    """How the connection to the hub stands; the value is the word for people."""

    OFFLINE = "offline"  # closed, or never opened
    CONNECTING = "connecting"  # no hub has answered yet, or it was lost; keeps trying
    READY = "connected"
    REFUSED = "refused"  # the hub answered and said no; `problem` says why


@dataclass(frozen=True)
class Result:
    """What a job made: named arrays (see the brief of each kind of job) and a report of plain values."""

    arrays: dict[str, NDArray[Any]]
    report: dict[str, Any]


@dataclass
class JobView:
    """Everything known about one job. `state` is one of messages.JOB_STATES, or SUBMITTING before it is accepted."""

    job: str
    state: str = "SUBMITTING"
    seq: int = 0
    attempt: int = 0
    stage: str = ""
    fraction: float = 0.0
    text: str = ""
    seconds_left: float | None = None
    warnings: list[str] = field(default_factory=list)
    cancel_asked: bool = False
    error: MaquetteError | None = None
    result: Result | None = None

    @property
    def over(self) -> bool:
        """Ended, and for a success the result is here."""
        return self.error is not None or self.result is not None

    @property
    def ended(self) -> bool:
        """Ended at the hub; a result may still be on its way."""
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class ConnectionChanged:
    """The connection stands differently now. problem: why, where there is a reason to tell."""

    state: ConnectionState
    problem: MaquetteError | None = None


@dataclass(frozen=True)
class JobAccepted:
    """The job is on the hub's disk; from here on it survives everything but its deletion."""

    job: str


@dataclass(frozen=True)
class JobChanged:
    """The job is now in `state`, on its `attempt`-th try. text: why, where there is a reason to tell.

    seq: number of the event in the job's log; each comes once, also over reconnections.
    """

    job: str
    state: str
    attempt: int = 0
    text: str = ""
    seq: int = 0


@dataclass(frozen=True)
class JobUploading:
    """So many bytes of the job's inputs are at the hub."""

    job: str
    have: int
    size: int


@dataclass(frozen=True)
class JobProgress:
    """fraction: 0 to 1 of the whole job. seconds_left: an honest guess, or None."""

    job: str
    stage: str
    fraction: float
    text: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True)
class PreviewMesh:
    """A rough surface. vertices: (V, 3) float32 metres. faces: (F, 3) int32. colours: (V, 4) uint8 sRGB."""

    job: str
    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colours: NDArray[np.uint8]
    stage: str = ""
    fraction: float = 0.0
    counter: int = 0


@dataclass(frozen=True)
class PreviewImage:
    """A picture as PNG bytes."""

    job: str
    png: bytes
    stage: str = ""
    fraction: float = 0.0
    counter: int = 0


@dataclass(frozen=True)
class PreviewMotion:
    """What there is of a motion so far, from its first frame on; each has all frames of the one before. whole: frames
    that it will have in the end, 0 where that is not known yet."""

    job: str
    motion: Motion
    whole: int = 0
    stage: str = ""
    fraction: float = 0.0
    counter: int = 0


@dataclass(frozen=True)
class JobWarning:
    """Something the user should know although the job goes on."""

    job: str
    text: str


@dataclass(frozen=True)
class JobFinished:
    """The result is here, complete and verified."""

    job: str
    result: Result


@dataclass(frozen=True)
class JobFailed:
    """The job ended without a result. error: errors.Cancelled when somebody asked for it."""

    job: str
    error: MaquetteError


@dataclass(frozen=True)
class JobsListed:
    """Answer to `Client.request_list`."""

    jobs: tuple[JobSummary, ...]


Update = Union[  # noqa: UP007  (one name a line)
    ConnectionChanged,
    JobAccepted,
    JobChanged,
    JobUploading,
    JobProgress,
    PreviewMesh,
    PreviewImage,
    PreviewMotion,
    JobWarning,
    JobFinished,
    JobFailed,
    JobsListed,
]


def check_mesh(arrays: Mapping[str, NDArray[Any]]) -> None:
    """The meaning of mesh arrays, once their bytes are right. Raises ProtocolError.

    vertices: (V, 3) float32, finite. faces: (F, 3) int32 in 0..V-1. uvs: (3F, 2) float32, finite. normals: (V, 3)
    float32. colours: (V, 4) uint8. edges: (E, 2) int32 in 0..V-1. corner_edges: (3F,) int32 in 0..E-1. Only
    vertices and faces are required.
    """
    if "vertices" not in arrays or "faces" not in arrays:
        raise ProtocolError("The mesh lacks vertices or faces.")
    vertices, faces = arrays["vertices"], arrays["faces"]
    v, f = len(vertices) if vertices.ndim else 0, len(faces) if faces.ndim else 0
    e = len(arrays["edges"]) if "edges" in arrays and arrays["edges"].ndim else 0
    expected: dict[str, tuple[str, tuple[int, ...], int]] = {
        "vertices": ("<f4", (v, 3), 0), "faces": ("<i4", (f, 3), v), "uvs": ("<f4", (3 * f, 2), 0),
        "normals": ("<f4", (v, 3), 0), "colours": ("|u1", (v, 4), 0), "edges": ("<i4", (e, 2), v),
        "corner_edges": ("<i4", (3 * f,), e),
    }
    for name, (dtype, shape, limit) in expected.items():
        array = arrays.get(name)
        if array is None:
            continue
        if array.dtype != np.dtype(dtype) or array.shape != shape:
            raise ProtocolError(f"Mesh array {name} is {array.dtype} {array.shape}, expected {dtype} {shape}.")
        if limit and array.size and not (int(array.min()) >= 0 and int(array.max()) < limit):
            raise ProtocolError(f"Mesh array {name} points outside 0..{limit - 1}.")
        if dtype == "<i4" and not limit and array.size:
            raise ProtocolError(f"Mesh array {name} points into an empty array.")
        if dtype == "<f4" and not bool(np.isfinite(array).all()):
            raise ProtocolError(f"Mesh array {name} holds values that are not finite.")


def preview_motion(arrays: Mapping[str, NDArray[Any]]) -> tuple[Motion, int]:
    """(motion so far, frames that it will have) out of a preview's arrays. Raises ProtocolError."""
    facts = _json_map(arrays["motion_facts"], "The motion's facts are") if "motion_facts" in arrays else {}
    whole = facts.get("whole", 0)
    try:
        return Motion.from_arrays(arrays, facts), whole if type(whole) is int and whole >= 0 else 0
    except BadRequest as problem:
        raise ProtocolError(f"The preview of a motion cannot be used: {problem.message}") from problem


def _json_map(array: NDArray[Any], subject: str) -> dict[str, Any]:
    """A map out of JSON bytes. Raises ProtocolError, about the `subject` (with its verb)."""
    try:
        value = json.loads(array.tobytes().decode("utf-8"))
    except ValueError as problem:
        raise ProtocolError(f"{subject} not JSON.") from problem
    if type(value) is not dict:
        raise ProtocolError(f"{subject} not a map.")
    return value


def result_from_arrays(arrays: dict[str, NDArray[Any]]) -> Result:
    """Takes the report (JSON bytes) out of a result's arrays and checks the mesh, if it is one."""
    others = {name: array for name, array in arrays.items() if name != "report"}
    report = _json_map(arrays["report"], "The job's report is") if "report" in arrays else {}
    if "vertices" in others or "faces" in others:
        check_mesh(others)
    return Result(others, report)
