# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress and previews on their way to the hub: the newest of each kind, not more often than anybody can look."""

from __future__ import annotations

from collections.abc import Callable

from protocol.fields import Message
from protocol.worker_messages import WorkerEphemeral

BETWEEN_SECONDS = 0.2  # between two of one kind


class Newest:
    """One slot for each kind. post: sends a message."""

    def __init__(self, post: Callable[[Message], None]) -> None:
        self._post = post
        self._slots: dict[str, WorkerEphemeral] = {}
        self._sent: dict[str, float] = {}

    def put(self, message: WorkerEphemeral) -> None:
        """Replaces one of its kind that was not sent yet."""
        self._slots[message.kind] = message

    def clear(self) -> None:
        """Nobody wants to see them any more."""
        self._slots.clear()

    def tick(self, now: float) -> None:
        """Send what may be sent."""
        for kind, message in list(self._slots.items()):
            if now - self._sent.get(kind, -1e9) >= BETWEEN_SECONDS:
                del self._slots[kind]
                self._sent[kind] = now
                self._post(message)
