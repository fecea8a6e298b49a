# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that wait for their answers and are sent again until one comes, because a send is not a delivery."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from .fields import Message

# Seconds between repeats; doubles from one to the other. A connection that breaks is seen and has everything sent again
# at once, so repeats are for the rest, and must not drown a hub that is merely busy.
FIRST_RESEND, LAST_RESEND = 1.0, 30.0


@dataclass
class Request:
    """key: what it is about, one request at a time for each. id: of its message, the same in every repeat."""

    key: Hashable
    message: Message
    channel: str
    id: bytes
    due: float = 0.0
    wait: float = FIRST_RESEND
    sent: int = 0


class Requests:
    """The requests of one session. post: queues a message under an id on a channel."""

    def __init__(self, post: Callable[[str, Message, bytes], None], new_id: Callable[[], bytes]) -> None:
        self._post = post
        self._new_id = new_id
        self._waiting: dict[Hashable, Request] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._waiting

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._waiting.values()))

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, key: Hashable) -> Request | None:
        """The request about this, if it still waits."""
        return self._waiting.get(key)

    def add(self, key: Hashable, channel: str, message: Message) -> Request:
        """A new request; an older one about the same is forgotten."""
        self._waiting[key] = request = Request(key, message, channel, self._new_id())
        return request

    def send(self, request: Request, now: float) -> None:
        """Send it, the first time or again."""
        self._post(request.channel, request.message, request.id)
        request.sent += 1
        request.due = now + request.wait
        request.wait = min(request.wait * 2, LAST_RESEND)

    def forget(self, key: Hashable) -> None:
        """Its answer no longer matters."""
        self._waiting.pop(key, None)

    def answered(self, re: bytes) -> Hashable:
        """The key of the request that a message answers, which no longer waits; None when there is none."""
        for key, request in self._waiting.items():
            if re and request.id == re:
                del self._waiting[key]
                return key
        return None

    def connection_lost(self, dropped: tuple[type[Message], ...]) -> None:
        """All others are due at once on the next connection; those of these types belong to the old one."""
        for request in self:
            if isinstance(request.message, dropped):
                self.forget(request.key)
            request.due, request.wait = 0.0, FIRST_RESEND
