# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's side towards clients: greetings and requests. What goes out by itself is the business of `sessions`."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from backend import __version__
from backend.hub.accounts import OWNER, Account
from backend.hub.blobs import BlobStore
from backend.hub.desk import Desk
from backend.hub.gate import Gate, revoked
from backend.hub.inputs import Inputs
from backend.hub.manage import Management
from backend.hub.newest import Newest
from backend.hub.sessions import Session, Sessions
from backend.hub.shelf import Shelf
from backend.hub.states import FINAL, CancelAsked, ContinueAsked, JobEvent, PauseAsked
from backend.hub.store import JobRow
from backend.hub.streams import WINDOW, Source
from backend.hub.wire import Line, Port, Received
from protocol import compress, manage
from protocol.arrays import FRAME_BYTES
from protocol.errors import (
    MaquetteError,
    NotAllowed,
    TooFast,
    UnknownBlob,
    UnknownJob,
    UnknownSession,
    UnknownType,
)
from protocol.fields import Message, read
from protocol.manage import Manage, Managed
from protocol.messages import (
    CLIENT_TO_HUB,
    Accepted,
    Ack,
    BlobCheck,
    BlobGet,
    BlobPut,
    Bye,
    Cancel,
    Continue,
    Credit,
    Draining,
    Error,
    Get,
    Hello,
    Jobs,
    List,
    Pause,
    Ping,
    Pong,
    Rejected,
    Reprioritise,
    Resume,
    Submit,
    Watch,
    Welcome,
)

log = logging.getLogger("maquette.hub")

REQUESTS = {**CLIENT_TO_HUB, **manage.CLIENT_TO_HUB}

SOFTWARE = f"maquette {__version__}"
FEATURES = (compress.FEATURE,) if compress.available() else ()
SILENT_SECONDS = 120.0  # without a word from a client, then its session is closed; its jobs go on
MAX_SESSIONS = 64  # of one user; one more closes the one that has been silent for longest
BULK = (BlobGet, Credit, BlobCheck, BlobPut)  # belong on `blk`, all others on `ctl`
COLLECT_SECONDS = 60.0  # between two looks for uploads that nobody waits for


class Front:
    """All clients. clock: monotonic seconds. token: what a client must show, empty where its key says enough."""

    def __init__(self, port: Port, desk: Desk, blobs: BlobStore, gate: Gate, clock: Callable[[], float], token: bytes,
                 epoch: int, on_work: Callable[[], None]) -> None:
        self.port = port
        self.gate = gate
        self.desk = desk
        self.blobs = blobs
        self.token = token
        self.epoch = epoch
        self._clock = clock
        self._on_work = on_work
        self._newest = Newest()
        self.sessions = Sessions(port, desk.store, self._newest)
        self._shelf = Shelf(desk.store)
        self._inputs = Inputs(desk, blobs)
        self._inputs.recover()
        self._collect_at = clock() + COLLECT_SECONDS
        self._requests: dict[type[Message], Callable[[Session, Any, bytes], None]] = {
            Submit: self._submit, Cancel: self._cancel, Get: self._get, List: self._list, Watch: self._watch,
            Resume: self._resume, Ack: self._ack, Ping: self._ping, Bye: self._bye,
            BlobGet: self._blob_get, Credit: self._credit, BlobCheck: self._blob_check, BlobPut: self._blob_put,
            Pause: self._pause, Continue: self._continue, Reprioritise: self._reprioritise,
            Manage: self._manage,
        }
        self._management = Management(desk.store, gate.accounts)
        gate.accounts.on_revoked.append(self._lose_keys)
        self.snapshot: Callable[[str, bool], dict[str, Any]] = lambda user, everybody: {}  # set by the hub
        desk.on_news = self.sessions.news
        desk.on_ephemeral = self.sessions.ephemeral

    @property
    def busy(self) -> bool:
        """Whether there is something that can be sent at once, without waiting for a message."""
        return self.sessions.busy

    # Messages that come in

    def handle(self, received: Received) -> None:
        """Answer one message. Errors that people can act on go back; nothing else leaves this function."""
        peer, envelope = received.peer, received.envelope
        try:
            account = self.gate.client(self.port, received)
            if account is None:
                return
            message = read(envelope, REQUESTS)
            if isinstance(message, Hello):
                self._hello(received, message, account)
                return
            session, channel = self.sessions.by_peer.get(peer, (None, ""))
            if session is None or session.key != received.key:
                raise UnknownSession("The hub does not know this connection.", hint="Greet again.")
            bulk = type(message) in BULK
            if bulk != (channel == "blk"):
                raise UnknownType(f"{envelope.type} does not belong on the {channel} connection.")
            session.heard, session.account = self._clock(), account
            handler = self._requests.get(type(message))
            if handler is None:
                raise UnknownType(f"This hub does not take {envelope.type} from clients.")
            with self.desk.store.acting(session.key):
                handler(session, message, envelope.id)
        except MaquetteError as problem:
            reply: Message = Error(problem, envelope.job)
            if envelope.type in ("HELLO", "SUBMIT") and not isinstance(problem, (UnknownSession, TooFast)):
                reply = Rejected(problem)
            self.port.try_send(peer, reply, envelope.id)

    def _hello(self, received: Received, message: Hello, account: Account) -> None:
        peer = received.peer
        offered, versions = (message.min_major, message.max_major), self.port.versions
        major = versions.choose(*offered)
        if major is None:
            raise versions.refusal(*offered, SOFTWARE, message.software, "client")
        if self.token and not secrets.compare_digest(message.token, self.token):
            raise NotAllowed(
                "The client did not show this hub's secret.",
                hint="Connect through the hub's connection file, which only its owner can read.",
            )
        if message.channel == "blk":
            session = self.sessions.find(message.sid)
            if session is None or session.key != received.key:  # nobody joins another's, even with a stolen id
                raise UnknownSession("The hub does not know this session.", hint="Greet on the control connection.")
            self.sessions.by_peer.pop(session.blk, None)
            session.streams.end_all()
            session.blk = peer
        else:
            old = self.sessions.by_peer.get(peer)
            if old is not None and old[0].key == received.key:  # a repeated greeting whose answer got lost
                session = old[0]
            else:
                self._make_room(account)
                session = Session(secrets.token_bytes(16), account, received.key, peer)
                self.sessions.add(session)
                if account is not OWNER:  # whose own programs come and go all the time
                    with self.desk.store.acting(received.key):
                        self.desk.store.audit(account.name, "connect", detail=message.software)
        session.heard = self._clock()
        session.lines[message.channel] = Line.of(received.descriptor)
        self.sessions.by_peer[peer] = (session, message.channel)
        self.port.speak(peer, major)
        self.port.try_send(peer, Welcome(
            major, SOFTWARE, session.sid, self.epoch, tuple(one for one in FEATURES if one in message.features),
            session.user, FRAME_BYTES, WINDOW,
        ), received.envelope.id)

    def _make_room(self, account: Account) -> None:
        own = [one for one in self.sessions if one.user == account.name]
        if account is not OWNER and len(own) >= MAX_SESSIONS:
            self.sessions.close(min(own, key=lambda one: one.heard))

    def _lose_keys(self, keys: frozenset[str]) -> None:
        """Keys were revoked: what is open with them ends now."""
        for session in self.sessions:
            if session.key in keys:
                self.sessions.close(session)
                for channel, peer in (("ctl", session.ctl), ("blk", session.blk)):
                    self.port.part(peer, session.lines.get(channel), Error(revoked()))

    def _manage(self, session: Session, message: Manage, id: bytes) -> None:
        if message.action == "status":  # the one action for everybody
            facts = self.snapshot(session.user, session.account.is_lead)
            self.port.try_send(session.ctl, Managed(facts), id)
            return
        values = self._management.do(session.account, message.action, message.values)
        self.port.try_send(session.ctl, Managed(values), id)

    def _submit(self, session: Session, message: Submit, id: bytes) -> None:
        self.blobs.require_space(sum(one.size for one in message.arrays))
        job = self.desk.submit(session.user, message, self.blobs.has)
        self.port.try_send(session.ctl, Accepted(job.id), id)
        self._on_work()

    def _own_job(self, session: Session, name: str) -> Any:
        job = self.desk.store.job(name)
        if not self._may_see(session, job.user):  # the same words as for a job that is not there
            self.gate.refused(session.user, "refused job", name, session.key)
            raise UnknownJob(f"The hub has no job {name}.", hint="It was submitted to another hub, or was deleted.")
        return job

    @staticmethod
    def _may_see(session: Session, user: str) -> bool:
        """Whether the jobs of this user are the session's business."""
        return user == session.user or session.account.is_lead

    def _cancel(self, session: Session, message: Cancel, id: bytes) -> None:
        job = self._own_job(session, message.job)
        if job.life.state not in FINAL:
            self.desk.store.audit(session.user, "cancel", job.id)
        job = self.desk.apply(job, CancelAsked())
        self.port.try_send(session.ctl, Jobs((job.summary(),)), id)

    def _pause(self, session: Session, message: Pause, id: bytes) -> None:
        self._ask(session, message.job, PauseAsked(), "pause", id)

    def _continue(self, session: Session, message: Continue, id: bytes) -> None:
        self._ask(session, message.job, ContinueAsked(), "continue", id)
        self._on_work()

    def _ask(self, session: Session, name: str, event: JobEvent, what: str, id: bytes) -> None:
        old = self._own_job(session, name)
        job = self.desk.apply(old, event)
        if job.life != old.life:
            self.desk.store.audit(session.user, what, job.id)
        self._tell(session, (job,), id)

    def _reprioritise(self, session: Session, message: Reprioritise, id: bytes) -> None:
        job = self._own_job(session, message.job)
        self._tell(session, (self.desk.move(session.user, job, message),), id)
        self._on_work()

    def _tell(self, session: Session, jobs: Sequence[JobRow], id: bytes) -> None:
        self.port.try_send(session.ctl, Jobs.fitting(self.desk.summaries(jobs)), id)

    def _get(self, session: Session, message: Get, id: bytes) -> None:
        self._tell(session, (self._own_job(session, message.job),), id)

    def _list(self, session: Session, message: List, id: bytes) -> None:
        self._tell(session, self.desk.store.newest_jobs(
            session.user, message.limit, message.open_only, message.before
        ), id)

    def _watch(self, session: Session, message: Watch, id: bytes) -> None:
        job = self._own_job(session, message.job)
        self.sessions.follow(session, job.id, message.after_seq)
        self.port.try_send(session.ctl, Jobs((job.summary(),)), id)

    def _resume(self, session: Session, message: Resume, id: bytes) -> None:
        known = []
        for name, seq in message.jobs.items():
            try:
                known.append(self._own_job(session, name).summary())
                self.sessions.follow(session, name, seq)
            except UnknownJob as problem:
                self.port.try_send(session.ctl, Error(problem, name))
        self.port.try_send(session.ctl, Jobs.fitting(known), id)

    def _ack(self, session: Session, message: Ack, id: bytes) -> None:
        job = self._own_job(session, message.job)
        if job.life.state in FINAL and message.seq >= job.last_seq:  # the client has all of it, the result included
            session.sent.pop(job.id, None)
            if job.user == session.user:
                self._shelf.delivered(job.id)

    def _ping(self, session: Session, message: Ping, id: bytes) -> None:
        self.port.try_send(session.ctl, Pong(), id)

    def _bye(self, session: Session, message: Bye, id: bytes) -> None:
        self.sessions.close(session)

    def _blob_get(self, session: Session, message: BlobGet, id: bytes) -> None:
        session.streams.begin(message, lambda digest: self._source(session, digest))
        self.sessions.wake(session)

    def _source(self, session: Session, digest: bytes) -> Source:
        """The bytes of a preview, or of one of the user's own results. Raises UnknownBlob."""
        preview = self._newest.find(digest, lambda job: self._may_see(session, self.desk.store.job(job).user))
        if preview is not None:
            return preview
        if not session.account.is_lead and not self.desk.store.blob_is_of(digest, session.user):
            raise UnknownBlob("The hub does not hold these bytes.", detail={"hash": digest})
        return Source.of_file(self.blobs.open(digest), self.blobs.sums(digest))

    def _credit(self, session: Session, message: Credit, id: bytes) -> None:
        session.streams.credit(message)
        self.sessions.wake(session)

    def _blob_check(self, session: Session, message: BlobCheck, id: bytes) -> None:
        for digest, size in message.blobs:
            try:
                answer: Message = self._inputs.check(session.user, digest, size)
            except MaquetteError as problem:  # the others are answered all the same
                answer = Error(problem)
            self.port.try_send(session.blk, answer, id)
        self._on_work()

    def _blob_put(self, session: Session, message: BlobPut, id: bytes) -> None:
        answer = self._inputs.put(session.user, message)
        self.port.try_send(session.blk, answer, id)
        if answer.complete:
            self._on_work()

    # Time passes

    def pump(self) -> bool:
        """Send what can be sent. False when every peer that has something to get is slow."""
        return self.sessions.pump()

    def tick(self) -> None:
        """Close the sessions of clients that have been silent for long, and forget uploads nobody waits for."""
        self.port.tick()
        self.gate.tick()
        if self._clock() >= self._collect_at:
            self._collect_at = self._clock() + COLLECT_SECONDS
            self._inputs.collect()
        for session in self.sessions:
            if self._clock() - session.heard > SILENT_SECONDS:
                self.sessions.close(session)

    def drain(self, reason: str) -> None:
        """Tell everybody that the hub stops."""
        for session in self.sessions:
            self.port.try_send(session.ctl, Draining(reason))
