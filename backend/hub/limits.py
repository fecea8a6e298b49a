# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast one user may send: so many messages a second, with a short burst, and few words for those who exceed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.errors import TooFast

CONTROL = 200.0  # messages a second of one user (protocol reference, section 15)
BULK = 5000.0  # messages a second of one user on bulk connections, which credit limits as well: 1 MiB each at most
BURST_SECONDS = 2.0  # worth of messages that may come at once
TELL_SECONDS = 1.0  # between two answers that say so; what comes in between is dropped without a word


@dataclass
class _Bucket:
    left: float
    at: float
    told: float


class Rates:
    """Counts the messages of each user. per_second: of one user. clock: monotonic seconds."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self.per_second = per_second
        self.dropped = 0
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, user: str) -> bool:
        """Whether this message may be handled. Raises TooFast when it may not and it is time to say so."""
        now = self._clock()
        most = self.per_second * BURST_SECONDS
        bucket = self._buckets.setdefault(user, _Bucket(most, now, now - TELL_SECONDS))
        bucket.left = min(most, bucket.left + (now - bucket.at) * self.per_second)
        bucket.at = now
        if bucket.left >= 1.0:
            bucket.left -= 1.0
            return True
        self.dropped += 1
        if now - bucket.told >= TELL_SECONDS:
            bucket.told = now
            raise TooFast(
                f"More than {self.per_second:.0f} messages a second.", hint="It is tried again, more slowly.",
                detail={"limit": int(self.per_second)},
            )
        return False

    def forget_idle(self) -> None:
        """Drop what says nothing any more."""
        now = self._clock()
        self._buckets = {user: one for user, one in self._buckets.items() if now - one.at < BURST_SECONDS}
