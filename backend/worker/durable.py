# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker says that the hub must hear: kept in order, one at a time, and said again until it is answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from protocol.fields import Message

RESEND_SECONDS = 2.0


@dataclass
class _Pending:
    message: Message
    id: bytes
    due: float


class Durable:
    """The queue of one worker. post: sends a message under an id. new_id: gives 16 random bytes."""

    def __init__(self, post: Callable[[Message, bytes], None], new_id: Callable[[], bytes]) -> None:
        self._post = post
        self._new_id = new_id
        self._pending: deque[_Pending] = deque()

    def __contains__(self, kind: type[Message]) -> bool:
        return any(isinstance(one.message, kind) for one in self._pending)

    def add(self, message: Message, now: float) -> None:
        """Say it once those before it are answered."""
        self._pending.append(_Pending(message, self._new_id(), now))

    def tick(self, now: float) -> None:
        """Say the first one, or say it again."""
        if self._pending and now >= self._pending[0].due:
            self._pending[0].due = now + RESEND_SECONDS
            self._post(self._pending[0].message, self._pending[0].id)

    def due_at_once(self, now: float) -> None:
        """The connection is new: whatever was said on the old one is said again."""
        for one in self._pending:
            one.due = now

    def asked(self, re: bytes) -> Message | None:
        """The message that an answer is to; None where it is not to the first one."""
        return self._pending[0].message if re and self._pending and self._pending[0].id == re else None

    def done(self) -> None:
        """The first one need not be said again."""
        self._pending.popleft()

    def forget(self, but: type[Message] | None = None) -> None:
        """All others no longer matter."""
        self._pending = deque(one for one in self._pending if but is not None and isinstance(one.message, but))
