# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease that a worker holds, how far the job under it is, and how its arrays come to it.

Shared by conversation, link, context and process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from protocol.arrays import Descriptor
from protocol.downloads import Downloads
from protocol.errors import MaquetteError
from protocol.specs import MAX_INPUT_BYTES
from protocol.worker_messages import Lease

INPUTS, CHECKPOINT = FETCHED = ("inputs", "checkpoint")
"""What is fetched for a lease, by the keys of `Downloads`."""


@dataclass
class Held:
    """The lease at hand. begun: the job runs. stopped: it should end; `lost` says that nobody wants it any more.

    pausing: it should store a checkpoint and end. over: it has ended, and only what it left is still on its way.
    inputs: the job's arrays, None until all are here. inputs_error: why they cannot come. checkpoint: what another
    attempt left at the hub, None until it was asked for and has come; checkpoint_error: why it cannot.
    """

    lease: Lease
    begun: bool = False
    stopped: bool = False
    lost: bool = False
    pausing: bool = False
    over: bool = False
    number: int = 0
    checkpoints: int = 0
    inputs: dict[str, NDArray[Any]] | None = None
    inputs_error: MaquetteError | None = None
    checkpoint: NDArray[Any] | None = None
    checkpoint_error: MaquetteError | None = None

    def is_of(self, job: str, fence: int) -> bool:
        """Whether a message of the hub is about this lease."""
        return (self.lease.job, self.lease.fence) == (job, fence)


def fetch_inputs(downloads: Downloads, held: Held, now: float) -> None:
    """Have the job's arrays sent; they end up in `held.inputs`, or the reason why not in `held.inputs_error`."""

    def here(arrays: dict[str, NDArray[Any]]) -> None:
        for array in arrays.values():
            array.flags.writeable = False  # several stages read them
        held.inputs = arrays

    def missing(error: MaquetteError) -> None:
        held.inputs_error = error

    downloads.fetch(INPUTS, held.lease.arrays, MAX_INPUT_BYTES, now, here, missing)


def fetch_checkpoint(downloads: Downloads, held: Held, now: float) -> None:
    """The same for what another attempt left at the hub: `held.checkpoint`, `held.checkpoint_error`."""
    lease = held.lease
    wanted = Descriptor("checkpoint", "|u1", (lease.checkpoint_size,), lease.checkpoint_size, lease.checkpoint)

    def here(arrays: dict[str, NDArray[Any]]) -> None:
        held.checkpoint = arrays["checkpoint"]

    def missing(error: MaquetteError) -> None:
        held.checkpoint_error = error

    downloads.fetch(CHECKPOINT, (wanted,), lease.checkpoint_size, now, here, missing)
