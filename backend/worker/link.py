# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's connection: a thread that owns the socket, so that signs of life go out while a job computes.

The thread does nothing but drive the `Conversation`; the job's thread talks to it through the methods here, which
take a lock and wake the thread. (Threads are fine here; the rule against them is Blender's.)
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import psutil
import zmq

from backend.worker.conversation import Conversation
from backend.worker.held import Held
from backend.worker.hubs import Hub, HubSource
from protocol.arrays import Descriptor
from protocol.errors import Cancelled, LeaseLost, MaquetteError
from protocol.framing import MAX_FRAME
from protocol.handshake import HandshakeWatch
from protocol.worker_messages import WorkerEphemeral

log = logging.getLogger("maquette.worker")

REFUSED_SECONDS = 10.0  # before a hub on another machine that did not let us in is asked again
LOOK_SECONDS = 0.5  # between looks for a hub while there is none
OVERDUE_SECONDS = 0.3  # for a job to notice by itself that it should stop
LOST_SECONDS = 1.0  # without room for one message, then the connection counts as lost
PAUSE_SECONDS = 20.0  # for a job that should pause to come to a checkpoint; then it goes back to its last one
STUBBORN_SECONDS = 30.0  # for a job that should stop; then this process ends (a local hub ends it sooner)


class Link:
    """One worker's connection to a hub.

    on_overdue: called (in the link's thread) when a job that should stop still runs after OVERDUE_SECONDS.
    on_stubborn: the same after STUBBORN_SECONDS; the process should end. alone_seconds: without a hub and without a
    job, then the worker ends, unless its hub is elsewhere and may come back.
    """

    def __init__(
        self, hubs: HubSource, name: str, clock: Callable[[], float] = time.monotonic,
        on_overdue: Callable[[], None] = lambda: None, on_stubborn: Callable[[], None] = lambda: None,
        alone_seconds: float = 30.0,
    ) -> None:
        self._hubs = hubs
        self._on_overdue = on_overdue
        self._on_stubborn = on_stubborn
        self._alone_seconds = alone_seconds
        self._pausing: tuple[Held, float] | None = None  # a job that should pause, and since when
        self._stopped: tuple[Held, float] | None = None  # a job that should stop, and since when
        self._clock = clock
        self._lock = threading.Condition()
        self._talk = Conversation(name, os.getpid(), b"", lambda: os.urandom(16))
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._hub: Hub | None = None
        self._told_lonely = False
        self._lonely_since = clock()
        self._look_at = 0.0
        self._watch: HandshakeWatch | None = None
        self._unwritable_since: float | None = None
        self._closing = False
        self.gone = threading.Event()  # no hub for too long, or it refused: the process should end
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    # For the job's thread

    def describe(self, caps: dict[str, object]) -> None:
        """What the machine has."""
        with self._lock:
            self._talk.caps.update(caps)

    def warm(self, device_free: int, models: Sequence[str]) -> None:
        """The worker is ready to compute; what is free on its device and which models it keeps."""
        with self._lock:
            self._talk.device_free, self._talk.warm = device_free, tuple(models)
            self._talk.state = "busy" if self._talk.held is not None and self._talk.held.begun else "idle"
            self._talk.beat_soon()
        self._wake()

    def next_lease(self, timeout: float) -> Held | None:
        """Wait for a job."""
        with self._lock:
            if not self._talk.leases:
                self._lock.wait(timeout)
            return self._talk.leases.popleft() if self._talk.leases else None

    def begin(self, held: Held) -> bool:
        """The job starts; False when it was cancelled meanwhile."""
        with self._lock:
            started = self._talk.begin(held, self._clock())
        self._wake()
        return started

    def inputs(self, held: Held) -> Mapping[str, np.ndarray]:
        """The job's inputs, read-only; waits for all. Raises why they cannot come, or that the job should stop."""
        with self._lock:
            while held.inputs is None and held.inputs_error is None and not held.stopped and not self.gone.is_set():
                self._lock.wait(0.5)
        if held.inputs_error is not None:
            raise held.inputs_error
        if held.inputs is None:
            raise LeaseLost("The job was given to another attempt.") if held.lost else Cancelled()
        return MappingProxyType(held.inputs)

    def checkpoint(self, held: Held) -> np.ndarray:
        """The checkpoint that the lease names, from the hub; waits for it. Raises why it cannot come."""
        with self._lock:
            self._talk.fetch_checkpoint(held, self._clock())
        self._wake()
        with self._lock:
            while held.checkpoint is None and held.checkpoint_error is None:
                if held.stopped or self.gone.is_set():
                    raise LeaseLost("The job was given to another attempt.") if held.lost else Cancelled()
                self._lock.wait(0.5)
        if held.checkpoint is None:
            raise held.checkpoint_error or LeaseLost("The checkpoint did not come.")
        return held.checkpoint

    def keep(self, held: Held, descriptor: Descriptor, data: memoryview) -> None:
        """A checkpoint; it is uploaded while the job goes on."""
        with self._lock:
            self._talk.keep(held, descriptor, data, self._clock())
        self._wake()

    def let_go(self, held: Held) -> None:
        """The job has paused; returns when the hub has its checkpoint and knows."""
        with self._lock:
            self._talk.let_go(held, self._clock())
        self._wake()
        self._wait_over(held)

    def step(self) -> None:
        """The job made a step."""
        self._talk.progress += 1

    def show(self, held: Held, message: WorkerEphemeral) -> None:
        """Newest progress or preview."""
        with self._lock:
            self._talk.progress += 1
            self._talk.show(held, message)
        self._wake()

    def warn(self, held: Held, text: str) -> None:
        """A durable warning."""
        with self._lock:
            self._talk.warn(held, text, self._clock())
        self._wake()

    def deliver(self, held: Held, arrays: Sequence[tuple[Descriptor, memoryview]]) -> None:
        """Upload the result; returns when the hub has it, or no longer wants it."""
        with self._lock:
            self._talk.deliver(held, arrays, self._clock())
        self._wake()
        self._wait_over(held)

    def fail(self, held: Held, error: MaquetteError) -> None:
        """Report the failure; returns when the hub has it."""
        with self._lock:
            self._talk.fail(held, error, self._clock())
        self._wake()
        self._wait_over(held)

    def stop_now(self) -> None:
        """This process should give its job back and end. Flags only, so that a signal's handler may call it."""
        held = self._talk.held
        self._talk.stop_asked = True
        if held is not None:
            held.stopped = True

    @property
    def stop_asked(self) -> bool:
        """Whether the hub wants this process to end."""
        return self._talk.stop_asked

    def leave(self, reason: str, patience: float = 2.0) -> None:
        """Say goodbye (a held job goes back to the queue) and close."""
        with self._lock:
            self._talk.leave(reason, self._clock())
        self._wake()
        end = self._clock() + patience
        while not self._talk.left and self._clock() < end and not self.gone.is_set():
            time.sleep(0.02)
        self._closing = True
        self._wake()
        self._thread.join(2.0)

    def _wait_over(self, held: Held) -> None:
        with self._lock:
            while self._talk.held is held and not self.gone.is_set():
                self._lock.wait(0.5)

    def _wake(self) -> None:
        try:
            self._wake_in.send(b"x")
        except BlockingIOError:
            return  # it is being woken already

    # The thread

    def _run(self) -> None:
        process = psutil.Process()
        while not self._closing:
            try:
                self._turn(process)
            except Exception:  # the outermost loop of this thread; without it the worker would fall silent
                log.exception("the link failed")
                time.sleep(0.5)
        self._close_socket()
        self._context.term()

    def _turn(self, process: psutil.Process) -> None:
        now = self._clock()
        self._look_for_hub(now)
        self._watch_handshake(now)
        poller = zmq.Poller()
        poller.register(self._wake_out.fileno(), zmq.POLLIN)
        if self._socket is not None:
            waiting = zmq.POLLIN | (zmq.POLLOUT if self._talk.outbox else 0)
            poller.register(self._socket, waiting)
        poller.poll(20 if self._talk.outbox else 100)
        try:
            while self._wake_out.recv(4096):
                pass
        except BlockingIOError:
            pass  # drained
        with self._lock:
            now = self._clock()
            if self._socket is not None:
                for _ in range(64):
                    try:
                        frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                    except zmq.Again:
                        break
                    self._talk.receive([one.buffer for one in frames], now)
            self._talk.memory = process.memory_info().rss
            self._talk.tick(now)
            self._send()
            if self._talk.ready or self._talk.computing:
                self._lonely_since, self._told_lonely = now, False
            elif self._talk.refused is not None or now - self._lonely_since > self._alone_seconds:
                self._is_lonely()
            self._lock.notify_all()
            self._look_at_pause(now)
            stopped_for = self._stopped_for(now)
        if stopped_for > STUBBORN_SECONDS:
            self._on_stubborn()
        elif stopped_for > OVERDUE_SECONDS:
            self._on_overdue()

    def _is_lonely(self) -> None:
        if self._talk.refused is None and self._hubs.lasting:
            if not self._told_lonely:
                log.warning("no hub answers at %s; trying on. A wrong or revoked key looks the same.",
                            self._hub.address if self._hub else "all")
            self._told_lonely = True
            return
        log.error("no hub to work for (%s)", self._talk.refused or "none answers")
        self.gone.set()

    def _look_at_pause(self, now: float) -> None:
        """A job that should pause and comes to no checkpoint is stopped; it goes on from the last one."""
        held = self._talk.held
        if held is None or not held.pausing or held.stopped or not self._talk.computing:
            self._pausing = None
        elif self._pausing is None or self._pausing[0] is not held:
            self._pausing = (held, now)
        elif now - self._pausing[1] > PAUSE_SECONDS:
            held.stopped = True

    def _stopped_for(self, now: float) -> float:
        """Seconds that a job which should stop has gone on."""
        held = self._talk.held
        if held is None or not held.stopped or not self._talk.computing:
            self._stopped = None
            return 0.0
        if self._stopped is None or self._stopped[0] is not held:
            self._stopped = (held, now)
        return now - self._stopped[1]

    def _send(self) -> None:
        if self._socket is None:
            return
        while self._talk.outbox:
            try:
                self._socket.send_multipart(self._talk.outbox[0], zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._talk.outbox.popleft()

    def _close_socket(self) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._socket is not None:
            self._socket.close(linger=0)
        self._watch = self._socket = None

    def _watch_handshake(self, now: float) -> None:
        """Where the hub does not let us in, say so and try again later; libzmq itself gives up then."""
        if self._watch is None:
            return
        self._watch.look()
        if self._watch.final:
            log.error("%s", self._watch.trouble)
            with self._lock:
                self._close_socket()
                self._hub = None
                self._look_at = now + (REFUSED_SECONDS if self._hubs.lasting else LOOK_SECONDS)

    def _look_for_hub(self, now: float) -> None:
        """Without a connection, look where the hub is now: a restarted one may listen elsewhere."""
        if self._socket is not None and int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLOUT:
            self._unwritable_since = None
            return
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        with self._lock:
            if self._unwritable_since is None:
                self._unwritable_since = now
            elif self._talk.ready and now - self._unwritable_since > LOST_SECONDS:
                self._talk.opened(now)
            hub = self._hubs.find()
            if hub is None or hub == self._hub:
                return
            self._hub = hub
            self._close_socket()
            self._socket = self._context.socket(zmq.DEALER)
            for option, value in (
                (zmq.LINGER, 0), (zmq.IMMEDIATE, 1), (zmq.SNDHWM, 16), (zmq.MAXMSGSIZE, MAX_FRAME),
                (zmq.HEARTBEAT_IVL, 5000), (zmq.HEARTBEAT_TIMEOUT, 15000), (zmq.RECONNECT_IVL, 100),
                (zmq.RECONNECT_IVL_MAX, 2000),
            ):
                self._socket.setsockopt(option, value)
            if hub.keys is not None:
                hub.keys.secure(self._socket)
            self._watch = HandshakeWatch(self._socket, hub.address, hub.keys is not None)
            self._socket.connect(hub.address)
            self._talk.token = hub.token
            self._talk.opened(now)
