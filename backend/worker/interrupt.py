# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaking into a job that does not look at the cancel flag, so that a cancel frees the worker within a second.

Recipes ask `context.check()` between steps; some steps are long. The link's thread then sends this process's main
thread a signal, whose handler raises Cancelled between two bytecodes or out of a waiting system call. Only while a
recipe runs, and only once: what comes after it is cleaning up, which must not be broken into. A single long call
into C still has to return by itself; the hub ends the process when that takes more than ten seconds.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from protocol.errors import Cancelled

NUMBER = getattr(signal, "SIGUSR1", signal.SIGINT)  # Windows has no signal that is free


class Interrupter:
    """One for a process; made in its main thread, which also runs the recipes."""

    def __init__(self) -> None:
        self._allowed = False
        signal.signal(NUMBER, self._raise)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """While a recipe runs. Cancelled may come out of any line inside."""
        self._allowed = True
        try:
            yield
        finally:
            self._allowed = False

    def poke(self) -> None:
        """Called from any thread: raise Cancelled in the recipe, if one runs and it was not done before."""
        if not self._allowed:
            return
        if NUMBER == signal.SIGINT:
            _thread.interrupt_main()
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, NUMBER)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._allowed:
            self._allowed = False
            raise Cancelled()
