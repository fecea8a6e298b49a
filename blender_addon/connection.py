# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a hub: this machine's own, found, started and watched, or a studio's, by pairing string or address.

It never waits: `mind` is called often, looks how things stand and does the next step. What the jobs are about is
`link`'s business.
"""

from __future__ import annotations

import enum
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from . import addresses, compat, installation, local_hub, preferences, wire

log = logging.getLogger(__name__)

FOUND_HUB_S = 1.5
FOUND_HUB_LOOKS = 25
"""A hub that left a connection file counts as gone after this time and this many looks: while Blender itself is busy,
time passes without a chance to hear the answer."""
RESTART_AFTER_S = 10.0
"""A hub that lived longer than this is started again when it ends; one that ends sooner would only end again."""
START_TRIES = 3
START_PAUSE_S = 2.0
"""Except at first: a hub that is just being stopped holds the data folder for some seconds more."""
QUIT_PATIENCE_S = 1.0
"""How long Blender's window may stand still for a hub that ends."""
OFFLINE_AFTER_S = 6.0
"""A studio's hub that has not answered for this long is called offline; it is tried on and on."""

OFFLINE = "offline"
BUSY = ("draining", "busy", "overloaded")
"""Codes of errors: no way to the network is allowed, and a hub that has no time now."""


class State(enum.Enum):
    """How the connection stands; the value is what the panel shows."""

    OFF = "not connected"
    STARTING = "starting"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WRONG_KEY = "wrong key"
    OLD = "version too old"
    BUSY = "busy"
    OFFLINE = "offline"
    PROBLEM = "there is a problem"

    @property
    def standing(self) -> bool:
        """Is there anything to let go of?"""
        return self not in (State.OFF, State.PROBLEM, State.WRONG_KEY, State.OLD)


class Connection:
    """The client and, where the hub is this machine's own, its process. clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, data_folder: Path | None = None) -> None:
        self.client: Any = None  # protocol.client.Client once there was a reason to connect
        self.problem: Exception | None = None
        self._clock = clock
        self._data_folder = data_folder
        self._hub: local_hub.LocalHub | None = None
        self._is_local = False
        self._waiting_since = 0.0
        self._looks = 0
        self._starts = 0

    @property
    def state(self) -> State:
        code = getattr(self.problem, "code", "")
        if code == OFFLINE:
            return State.OFFLINE
        if isinstance(self.problem, wire.errors.NotAllowed):
            return State.WRONG_KEY
        if isinstance(self.problem, wire.errors.VersionMismatch):
            return State.OLD
        if code in BUSY:
            return State.BUSY
        if self.problem is not None:
            return State.PROBLEM
        if self.client is None:
            return State.OFF
        if self.client.state is wire.updates.ConnectionState.READY:
            return State.CONNECTED
        if self._hub is not None:
            return State.STARTING
        if getattr(self.client.problem, "code", "") in BUSY:
            return State.BUSY
        waited = self._clock() - self._waiting_since
        return State.OFFLINE if not self._is_local and waited > OFFLINE_AFTER_S else State.CONNECTING

    @property
    def hub_pid(self) -> int | None:
        """Process id of the hub that was started here, None when none was."""
        return self._hub.pid if self._hub is not None else None

    @property
    def hub_name(self) -> str:
        """Name and version of the hub's software; empty before it has answered."""
        return str(self.client.hub) if self.client is not None else ""

    @property
    def folder(self) -> Path:
        """Data folder of this machine's own hub."""
        return self._data_folder or wire.local.default_data_folder()

    def open(self) -> None:
        """Reach for the hub of the preferences. Raises MaquetteError when they name none that could be reached."""
        self._starts = 0
        try:
            self._open()
        except wire.errors.MaquetteError as error:
            self.close()
            self.problem = error
            raise

    def _open(self) -> None:
        address, keys = destination()
        self._is_local = not address
        if not address:
            file = self.folder / wire.local.FILE_NAME
            self.client = wire.client.Client(connection_file=file, software=_software())
            if not file.exists():
                self._start_hub()
        else:
            if not addresses.is_loopback(address) and not compat.is_module() and not compat.online_access():
                raise wire.errors.NotConnected(
                    "Blender is set to work offline, so Maquette does not contact another machine.",
                    hint="Turn on Allow Online Access in Preferences, System, Network.",
                    code=OFFLINE,
                )
            secured = {} if keys is None else {"keys": keys}
            self.client = wire.client.Client(address, software=_software(), **secured)
        self._waiting_since, self._looks = self._clock(), 0

    def close(self) -> None:
        """Say goodbye and end the hub if it was started here; its jobs stay in its store.

        With a window Blender does not wait until the hub has put its worker away: it does that by itself.
        """
        if self.client is not None:
            self.client.close()
            self.client = None
        if self._hub is not None:
            self._hub.stop(local_hub.STOP_LIMIT_S if bpy.app.background else QUIT_PATIENCE_S)
            self._hub = None
        self.problem = None

    def mind(self) -> None:
        """Start this machine's hub when the one that was found does not answer; raise what made one end."""
        if self.client is None:
            return
        now = self._clock()
        if self.client.state is wire.updates.ConnectionState.READY:
            self._waiting_since, self._looks, self._starts = now, 0, 0
        elif not self._is_local:
            return
        elif self._hub is not None:
            if self._hub.alive():
                self._hub.ready()
            elif self._hub.age > RESTART_AFTER_S or self._starts < START_TRIES:
                if self._hub.age > START_PAUSE_S:
                    log.warning("the hub of this machine ended; starting it again")
                    self._start_hub()  # its store has the jobs, and the client goes on where it was
            else:
                self._hub.ready()  # raises with what it said
        elif now - self._waiting_since > FOUND_HUB_S and self._looks >= FOUND_HUB_LOOKS:
            self._start_hub()
        else:
            self._looks += 1

    def _start_hub(self) -> None:
        chosen = preferences.settings().python or installation.installed_python()
        python = local_hub.find_python(chosen, os.environ, compat.python_executable())
        self._hub = local_hub.LocalHub(python, self.folder, os.environ)
        self._starts += 1


def destination() -> tuple[str, Any]:
    """(address, keys) of the studio's hub that the preferences name; an empty address means this machine's own hub.

    Raises BadRequest or VersionMismatch when what stands there cannot be read.
    """
    settings = preferences.settings()
    if settings.pairing.strip():
        pairing = wire.keys.Pairing.parse(settings.pairing)
        if pairing.kind != "client":
            raise wire.errors.BadRequest(
                "This pairing string is for a worker.", path="pairing",
                hint="Ask for one that `maquette keys pair` made for you.",
            )
        return pairing.address, pairing.keys
    address = settings.address.strip()
    return (addresses.normalise(address) if address else ""), None


def hub_key() -> str:
    """How the history names the hub of the preferences: empty for this machine's own."""
    try:
        return destination()[0]
    except wire.errors.MaquetteError:
        return "?"


def _software() -> str:
    return f"blender-{bpy.app.version_string.split()[0]}"
