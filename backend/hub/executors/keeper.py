# SPDX-License-Identifier: GPL-3.0-or-later
"""What all executors share: the rules by which a process is kept alive in each place for a worker.

Here is no process and no clock of its own: a `Launcher` (see `places`) starts processes, `clock` says the time, so
every rule can be tested in a microsecond. A process that ends is replaced at once; one that ended too soon is replaced
after a wait that doubles, and the place says why. A device that disappears takes its place with it, after the job at
hand. Idle places lend their devices to a job that asks for several.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from backend.hub.executors.base import Handle, Slot
from backend.hub.executors.devices import Device
from backend.hub.executors.environment import FRESH_PROCESS
from backend.hub.executors.places import Launcher, Place, describe_end, worker_log

log = logging.getLogger("maquette.hub")

SHORT_LIFE_SECONDS = 20.0  # a worker that ends sooner is started again more slowly
LOOK_AGAIN_SECONDS = 60.0  # between looks at which devices there are
DEAD_REMEMBERED = 1000


@dataclass
class Keeper:
    """An executor over any launcher. clock: monotonic seconds. sleep: for `stop`. prefix: of the workers' names."""

    launcher: Launcher
    clock: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    prefix: str = ""
    _places: dict[str, Place] = field(default_factory=dict)
    _handles: dict[tuple[str, int], Handle] = field(default_factory=dict)
    _dead: deque[str] = field(default_factory=lambda: deque(maxlen=DEAD_REMEMBERED))
    _news: list[tuple[str, int]] = field(default_factory=list)
    _draining: bool = False
    _look_at: float = 0.0
    _written: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for one in self.launcher.found():
            if one.life is None:
                self._dead.append(one.worker)
            # Its device is not known before the machine has answered; until then it goes with the process.
            place = Place(Device(one.slot, ""), one.life, one.worker if one.life else "", self.clock(), gone=True)
            place.lent_to = one.lent_to
            if place.life is not None or place.lent_to:
                self._places[one.slot] = place
        for place in self._places.values():
            if self._of(place.lent_to) is None:
                place.lent_to = ""
        self._look_for_devices()

    # What the hub asks

    def slots(self) -> list[Slot]:
        """Every place, with what is there now."""
        return [self._slot(one) for one in self._places.values()]

    def _slot(self, place: Place) -> Slot:
        reason = place.reason
        if place.lent_to:
            state = "lent"
            reason = f"its device serves the job of {place.lent_to}"
        elif place.gone or place.meant:
            state = "leaving"
        elif place.life is not None:
            state, reason = "running", ""
        elif self._draining:
            state = "drained"
        else:
            left = place.start_at - self.clock()
            state = "waiting" if left > 0 else "starting"
            reason = f"{reason} The next try is in {left:.0f} s." if left > 0 else reason
        device = place.device
        return Slot(device.slot, device.id, device.memory, device.machine, state, place.worker,
                    place.lease[0] if place.lease else "", reason)

    def room(self, worker: str, gpus: int = 1) -> bool:
        """Whether `start` would say yes."""
        place = self._of(worker)
        if place is None:
            return True  # somebody else's process, with one device of its own
        if place.meant or place.gone or place.lease is not None or self._draining:
            return False
        return self._idle_beside(place, gpus) is not None

    def start(self, job: str, fence: int, worker: str, gpus: int = 1) -> Handle | None:
        """A lease goes to this worker; see `Executor.start`."""
        known = self._handles.get((job, fence))
        if known is not None:
            return known if known.worker == worker else None
        place = self._of(worker)
        if place is None:
            handle = Handle(job, fence, worker)
        else:
            if place.lease is not None or place.meant:
                return None
            beside = self._idle_beside(place, gpus)
            if beside is None:
                return None
            for one in beside:
                one.lent_to = worker
                self._end_process(one, 0.0)
            place.lease = (job, fence)
            handle = Handle(job, fence, worker, (place.device.id, *(one.device.id for one in beside)))
        self._handles[job, fence] = handle
        self._write_down()
        return handle

    def _idle_beside(self, place: Place, gpus: int) -> list[Place] | None:
        """The places that a job of `gpus` devices takes beside its own; None when some are still busy."""
        others = [one for one in self._places.values()
                  if one is not place and not one.gone and one.device.machine == place.device.machine]
        needed = min(gpus - 1, len(others))
        # Those that serve this worker already: its job went on while the hub was away.
        idle = [one for one in others if one.lent_to == place.worker]
        idle += [one for one in others if one.lease is None and not one.lent_to]
        return idle[:needed] if len(idle) >= needed else None

    def end(self, job: str, fence: int) -> None:
        """The lease is over; see `Executor.end`."""
        handle = self._handles.pop((job, fence), None)
        if handle is not None:
            self._release(handle.worker)

    def _release(self, worker: str) -> None:
        for one in self._places.values():
            if one.lent_to == worker:
                one.lent_to, one.start_at, one.short_lives = "", self.clock(), 0
            if one.worker == worker:
                one.lease = None
                if one.gone or self._draining:
                    self._end_process(one, SHORT_LIFE_SECONDS / 4)

    def cancel(self, worker: str, grace: float) -> None:
        """End this worker's process; see `Executor.cancel`."""
        place = self._of(worker)
        if place is None or place.life is None:
            return
        now = self.clock()
        if grace <= 0:
            if place.kill_at is None or place.kill_at > now:
                log.warning("killing worker %s", worker)
                place.kill_at = now
            place.life.signal(hard=True)
        elif place.kill_at is None:
            log.info("asking worker %s to end", worker)
            place.kill_at = now + grace
            place.life.signal(hard=False)

    def _end_process(self, place: Place, grace: float) -> None:
        """End it because we want to, which is not held against the place."""
        if place.life is not None and not place.meant:
            place.meant = True
            self.cancel(place.worker, grace)

    def drain(self, on: bool = True) -> None:
        """Start nothing more; see `Executor.drain`."""
        self._draining = on
        for one in self._places.values():
            if on and one.lease is None:
                self._end_process(one, SHORT_LIFE_SECONDS / 4)

    def ended(self) -> list[tuple[str, int]]:
        """Workers that ended since the last call."""
        self._look()
        news, self._news = self._news, []
        return news

    def alive(self, name: str) -> bool:
        """Whether this worker's process is known to live."""
        self._look()
        return self._of(name) is not None

    def knows_dead(self, name: str) -> bool:
        """Whether this worker's process is known to have ended."""
        return name in self._dead

    def _of(self, worker: str) -> Place | None:
        return next((one for one in self._places.values() if worker and one.worker == worker), None)

    # Time passes

    def tick(self) -> None:
        """Notice what ended, kill what was given time, start what is missing."""
        self._look()
        now = self.clock()
        if now >= self._look_at:
            self._look_for_devices()
        for place in list(self._places.values()):
            if place.life is not None and place.kill_at is not None and now >= place.kill_at:
                place.life.signal(hard=True)
            elif place.life is None and place.gone:
                if not place.lent_to:
                    del self._places[place.device.slot]
            elif place.life is None and not place.lent_to and not self._draining and now >= place.start_at:
                self._start(place)
        self._write_down()

    def _look_for_devices(self) -> None:
        devices = self.launcher.devices()
        if devices is None:
            return  # asked again at the next tick
        self._look_at = self.clock() + LOOK_AGAIN_SECONDS
        names = {one.slot for one in devices}
        for device in devices:
            place = self._places.get(device.slot)
            if place is None:
                self._places[device.slot] = Place(device, start_at=self.clock())
                log.info("place %s for a worker: %s", device.slot, device.label or device.id or "any device")
            else:
                place.device, place.gone = device, False
        for name, place in self._places.items():
            if name not in names and not place.gone:
                log.warning("place %s is gone: its device is no longer there", name)
                place.gone, place.reason = True, "its device is no longer there"
            if place.gone and place.lease is None and name not in names:
                self._end_process(place, SHORT_LIFE_SECONDS / 4)

    def _look(self) -> None:
        for place in self._places.values():
            code = place.life.code() if place.life is not None else None
            if code is not None:
                self._ended(place, code)

    def _ended(self, place: Place, code: int) -> None:
        worker, lived, meant = place.worker, self.clock() - place.began, place.meant
        killed = place.kill_at is not None and not meant
        self._dead.append(worker)
        self._news.append((worker, 0 if meant else code))
        place.life, place.worker, place.kill_at, place.meant, place.reason = None, "", None, False, ""
        if place.lease is not None:
            self._handles.pop(place.lease, None)
            place.lease = None
        self._release(worker)
        if meant or code == FRESH_PROCESS:
            place.short_lives, place.start_at = 0, self.clock()
        elif lived >= SHORT_LIFE_SECONDS or killed:
            place.short_lives, place.start_at, place.reason = 0, self.clock(), describe_end(worker, code, lived)
        else:
            place.put_off(self.clock())
            place.reason = describe_end(worker, code, lived)
            if place.short_lives > 1:
                place.reason += f" {place.short_lives} in a row ended so soon; see logs/{worker_log(place.device)}."
        log.log(logging.INFO if meant or code == FRESH_PROCESS else logging.WARNING, "%s",
                describe_end(worker, code, lived))
        if not meant and code != FRESH_PROCESS:
            self._look_at = 0.0  # has the device gone with it?

    def _start(self, place: Place) -> None:
        worker = f"{self.prefix}{place.device.slot}-{secrets.token_hex(4)}"
        share = sum(1 for one in self._places.values()
                    if one.device.machine == place.device.machine and not one.gone)
        try:
            place.life = self.launcher.launch(place.device, worker, share)
        except OSError as problem:
            place.put_off(self.clock())
            place.reason = f"A worker could not be started ({problem})."
            log.error("%s", place.reason)
            return
        place.worker, place.began = worker, self.clock()
        log.info("started worker %s", worker)

    def stop(self, patience: float) -> None:
        """End everything; see `Executor.stop`."""
        self._draining = True
        for hard, seconds in ((None, patience), (False, 5.0), (True, 10.0)):
            until = self.clock() + seconds
            living = [one.life for one in self._places.values() if one.life is not None]
            for life in living:
                if hard is not None and life.code() is None:
                    life.signal(hard=hard)
            while any(life.code() is None for life in living):
                if self.clock() >= until:
                    break
                self.sleep(0.01)
            else:
                break
        self._look()
        self._write_down()

    def _write_down(self) -> None:
        now = [(one.device.slot, one.worker, one.lent_to) for one in self._places.values()]
        if now != self._written:
            self._written = now
            self.launcher.remember(list(self._places.values()))
