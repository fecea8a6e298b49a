# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets a connection at all: a studio's hub as a real process, and peers with every kind of wrong key.

Each refusal is seen from outside: the peer gets no answer to a greeting, its client names the right reason, and the
hub goes on serving those who are let in.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zmq

from backend.cli.ask import manage
from backend.hub import keys as key_folder
from backend.hub.server import Hub, HubOptions
from backend.hub.wire import Port
from backend.hub.zap import FRONT, Doorkeeper, Lock
from protocol import framing
from protocol.client import Client
from protocol.errors import NotAllowed, NotConnected, VersionMismatch, WrongHub, WrongKey
from protocol.fields import read
from protocol.handshake import HandshakeWatch
from protocol.keys import KeyPair, Keys
from protocol.local import read_connection_file
from protocol.messages import HUB_TO_CLIENT, Error, Hello, Ping, Pong, Rejected, TextTo3DSpec, Welcome
from protocol.updates import ConnectionState
from protocol.worker_messages import HUB_TO_WORKER, Ready

ROOT = Path(__file__).resolve().parents[3]
GUARD = 30.0  # seconds; against hanging, never a measurement
SILENCE = 0.7  # seconds in which a peer that was let in would have had its answer many times


class StudioHub:
    """A hub with keys of its own, as a process, and the keys that it handed out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = key_folder.create(folder / "keys", "tcp://127.0.0.1:5570", "tcp://127.0.0.1:5571").pair
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "serve", "--data", str(folder), "--no-worker", "--quiet"],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        until(self._answers, "the hub to start")
        self.info = read_connection_file(folder)
        for name, role in (("ann", "artist"), ("ben", "artist"), ("gpu2", "worker")):
            manage(folder, "add user", {"name": name, "role": role})

    def _answers(self) -> bool:
        with contextlib.suppress(NotConnected):
            return read_connection_file(self.folder).pid == self.process.pid
        return False

    def enrol(self, name: str) -> Keys:
        """A new key of a user."""
        own = KeyPair.new()
        manage(self.folder, "add key", {"name": name, "public": own.public})
        return Keys(self.server.public, own.secret)

    def client(self, keys: Keys | None) -> Client:
        return Client(self.info.address, keys=keys)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(GUARD)


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    made = StudioHub(tmp_path_factory.mktemp("studio"))
    yield made
    made.close()


def until(condition, what: str, *clients: Client) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, f"waited {GUARD:.0f} s for {what}"
        for client in clients:
            client.poll()
        time.sleep(0.01)


class Peer:
    """A DEALER that says what it is told to."""

    def __init__(self, address: str, keys: Keys | None, routing_id: bytes = b"") -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if routing_id:
            self.socket.setsockopt(zmq.ROUTING_ID, routing_id)
        if keys is not None:
            keys.secure(self.socket)
        self.watch = HandshakeWatch(self.socket, address, keys is not None)
        self.socket.connect(address)

    def ask(self, message, direction=HUB_TO_CLIENT, seconds=GUARD):
        """The answer to it, None where there is none."""
        id, end = os.urandom(16), time.monotonic() + seconds
        try:
            self.socket.send_multipart(framing.encode(message.to_envelope(id=id)), zmq.NOBLOCK)
        except zmq.Again:
            return None  # it has no connection
        while self.socket.poll(int(1000 * max(0.0, end - time.monotonic()))):
            envelope = framing.decode(self.socket.recv_multipart())
            if envelope.re == id:
                return read(envelope, direction)
        return None

    def trouble(self):
        """Why there is no connection, as far as it is known by now."""
        self.watch.look()
        return self.watch.trouble

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watch.close()
        self.socket.close()
        self.context.term()


HELLO = Hello(1, 1, "test", "ctl")
READY = Ready("gpu2-1", 1, "test", 1, 1, {})


def refused(client: Client, kind: type, *rest: Client) -> None:
    until(lambda: client.state is ConnectionState.REFUSED, "a refusal", client, *rest)
    assert type(client.problem) is kind and client.problem.hint
    with pytest.raises(kind):
        client.wait_connected(GUARD)


def test_a_registered_key_is_let_in(studio):
    with studio.client(studio.enrol("ann")) as client:
        client.wait_connected(GUARD)
        assert client.user == "ann"
        job = client.submit(TextTo3DSpec("a chair"))
        until(lambda: client.jobs[job].seq, "the job", client)


def test_the_owner_of_the_folder_is_let_in_by_the_connection_file(studio):
    with Client.local(studio.folder) as client:
        client.wait_connected(GUARD)
        assert client.user == "local"


def test_unknown_key(studio):
    with studio.client(Keys(studio.server.public, KeyPair.new().secret)) as client:
        refused(client, WrongKey)
    entries = manage(studio.folder, "audit", {"limit": 20})["entries"]
    assert any(one["what"] == "refused key" and "127.0.0.1" in one["detail"] for one in entries)


def test_no_key_at_all(studio):
    with studio.client(None) as client:
        refused(client, WrongKey)
    with Peer(studio.info.address, None) as peer:
        assert peer.ask(HELLO, seconds=SILENCE) is None


def test_wrong_server_key(studio):
    keys = studio.enrol("ann")
    with studio.client(Keys(KeyPair.new().public, keys.secret)) as client:
        refused(client, WrongHub)
    with studio.client(keys) as client:
        client.wait_connected(GUARD)


def test_an_unencrypted_impostor_gets_nothing(studio):
    """A hub that is not ours must not even see the greeting."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.linger = 0
    address = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
    with Client(address, keys=studio.enrol("ann")) as client:
        refused(client, WrongHub)
        assert not router.poll(100)
    router.close()
    context.term()


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening, so nothing else can listen there meanwhile
        with Client(f"tcp://127.0.0.1:{taken.getsockname()[1]}", keys=Keys(bytes(32), bytes(32))) as client:
            until(lambda: client.problem is not None, "the reason", client)
            assert type(client.problem) is NotConnected and client.state is ConnectionState.CONNECTING


def test_version_too_old(studio):
    with Peer(studio.info.address, studio.enrol("ann")) as peer:
        answer = peer.ask(Hello(98, 99, "test", "ctl"))
        assert type(answer) is Rejected and type(answer.error) is VersionMismatch


def test_a_key_opens_one_door_only(studio):
    ann, gpu2 = studio.enrol("ann"), studio.enrol("gpu2")
    for address, keys, hello in (
        (studio.info.back_address, ann, READY), (studio.info.address, gpu2, HELLO),
        (studio.info.back_address, studio.info.keys, READY), (studio.info.address, studio.info.worker_keys, HELLO),
    ):
        with Peer(address, keys) as peer:
            until(peer.trouble, "the refusal")
            assert type(peer.watch.trouble) is WrongKey
            assert peer.ask(hello, seconds=SILENCE) is None
    with Peer(studio.info.back_address, gpu2) as peer:
        assert type(peer.ask(READY, HUB_TO_WORKER)) is Welcome
        answer = peer.ask(Ready("other-1", 1, "test", 1, 1, {}), HUB_TO_WORKER)
        assert type(answer) is Rejected and type(answer.error) is NotAllowed  # another machine's name


def test_a_revoked_key_loses_its_open_connection(studio):
    ben, ann = studio.client(studio.enrol("ben")), studio.client(studio.enrol("ann"))
    worker = Peer(studio.info.back_address, studio.enrol("gpu2"))
    raw = Peer(studio.info.address, studio.enrol("ben"))
    with ben, ann, worker, raw:
        for client in (ben, ann):
            client.wait_connected(GUARD)
        assert type(raw.ask(HELLO)) is Welcome and type(raw.ask(Ping())) is Pong
        assert type(worker.ask(READY, HUB_TO_WORKER)) is Welcome
        manage(studio.folder, "revoke", {"name": "ben"})
        manage(studio.folder, "revoke", {"name": "gpu2"})
        refused(ben, WrongKey, ann)
        for peer, direction in ((raw, HUB_TO_CLIENT), (worker, HUB_TO_WORKER)):
            last = None
            while type(last) is not Error:  # a lease may have come before
                assert peer.socket.poll(int(GUARD * 1000))
                last = read(framing.decode(peer.socket.recv_multipart()), direction)
            assert type(last.error) is WrongKey  # it is told why
            until(peer.trouble, "the cut, and the next handshake's end")
            assert type(peer.watch.trouble) is WrongKey
            assert peer.ask(Ping(), direction, SILENCE) is None
        ann.poll()
        assert ann.state is ConnectionState.READY  # nobody else noticed
        with studio.client(studio.enrol("ben")) as again:  # a new key of the same user works
            again.wait_connected(GUARD)


class Recorder(threading.Thread):
    """A TCP proxy for one connection that keeps what the client sent."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.sent = port, bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        near, _ = self.listener.accept()
        far = socket.create_connection(("127.0.0.1", self.port))
        back = threading.Thread(target=self._copy, args=(far, near, None), daemon=True)
        back.start()
        self._copy(near, far, self.sent)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_a_replayed_handshake_opens_nothing(studio):
    """All bytes of a good conversation, a SUBMIT among them, sent again: the hub makes new keys for each."""
    port = int(studio.info.address.rsplit(":", 1)[1])
    recorder = Recorder(port)
    recorder.start()
    with Peer(recorder.address, studio.enrol("ann")) as peer:
        assert type(peer.ask(HELLO)) is Welcome
        assert type(peer.ask(Ping())) is Pong
    assert len(recorder.sent) > 500
    before = sessions_of(studio, "ann")
    for pause in (0.0, 0.05):  # at once, and piece by piece as it was sent
        with socket.create_connection(("127.0.0.1", port), timeout=GUARD) as wire:
            for at in range(0, len(recorder.sent), 200):
                with contextlib.suppress(OSError):
                    wire.sendall(recorder.sent[at : at + 200])
                time.sleep(pause)
            heard = bytearray()
            wire.settimeout(GUARD)
            with contextlib.suppress(ConnectionError):
                while data := wire.recv(65536):
                    heard += data  # the hub's greeting and its own fresh key, then it hangs up
            assert b"READY" not in heard and b"MESSAGE" not in heard
    assert sessions_of(studio, "ann") == before


def sessions_of(studio: StudioHub, user: str) -> int:
    """How often the user was let in so far, by the audit log."""
    entries = manage(studio.folder, "audit", {"limit": 100, "user": user})["entries"]
    return sum(one["what"] == "connect" for one in entries)


def test_a_chosen_routing_id_is_not_answered(studio):
    with Peer(studio.info.address, studio.enrol("ann"), routing_id=b"ben") as peer:
        until(lambda: peer.socket.poll(10, zmq.POLLOUT), "the handshake")
        assert peer.ask(HELLO, seconds=SILENCE) is None


def test_a_flood_of_handshakes_and_of_junk_keeps_nobody_out(studio):
    port = int(studio.info.address.rsplit(":", 1)[1])
    strangers = [Peer(studio.info.address, Keys(studio.server.public, KeyPair.new().secret)) for _ in range(20)]
    raw = []
    for number in range(200):
        wire = socket.create_connection(("127.0.0.1", port), timeout=GUARD)
        wire.sendall(os.urandom(64) if number % 2 else b"\xff" + bytes(8) + b"\x7f\x03")  # junk, or half a greeting
        raw.append(wire)
    with studio.client(studio.enrol("ann")) as client:
        client.wait_connected(GUARD)
    for one in strangers:
        one.__exit__()
    for wire in raw:
        wire.close()
    assert studio.process.poll() is None


# Hubs that are set up wrongly, in this process


@contextlib.contextmanager
def port_of(lock: Lock, knows=lambda door, key: True, keeper: bool = True):
    """A bound port with a lock, and a doorkeeper that lets everybody in."""
    context = zmq.Context()
    found = Doorkeeper(context, knows) if keeper else None
    port = Port(context, "127.0.0.1", 0, lock)
    yield port, found
    port.close()
    if found is not None:
        found.close()
    context.term()


def knock(port: Port, keeper: Doorkeeper | None, keys: Keys, seconds: float = SILENCE):
    """What a peer with these keys meets, and what the port hears of it in `seconds`, or until the peer is told
    something where that takes longer on a busy machine."""
    heard = []
    with Peer(port.address, keys) as peer:
        peer.socket.send_multipart(framing.encode(HELLO.to_envelope(id=bytes(16))))
        end, latest = (time.monotonic() + wait for wait in (seconds, GUARD))
        while not heard and (time.monotonic() < end or peer.watch.trouble is None and time.monotonic() < latest):
            if keeper is not None:
                keeper.turn()
            found = port.receive()
            heard += [found] if found is not None else []
            peer.watch.look()
            time.sleep(0.005)
        return heard, peer.watch.trouble


def test_the_bench_itself_lets_a_good_peer_in():
    """Otherwise the refusals below would say nothing."""
    server, own = KeyPair.new(), KeyPair.new()
    with port_of(Lock(FRONT, server.secret)) as (port, keeper):
        heard, trouble = knock(port, keeper, Keys(server.public, own.secret), GUARD)
        assert trouble is None and keeper.admitted == 1
        assert heard[0].key == own.public.hex() and heard[0].envelope.type == "HELLO"


def test_without_a_doorkeeper_everybody_is_refused():
    server, own = KeyPair.new(), KeyPair.new()
    with port_of(Lock(FRONT, server.secret), keeper=False) as (port, _):
        heard, trouble = knock(port, None, Keys(server.public, own.secret))
        assert not heard and trouble is not None


def test_with_a_doorkeeper_that_went_away_everybody_is_refused():
    server, own = KeyPair.new(), KeyPair.new()
    with port_of(Lock(FRONT, server.secret)) as (port, keeper):
        keeper.close()
        heard, trouble = knock(port, None, Keys(server.public, own.secret))
        assert not heard and trouble is not None


@pytest.mark.parametrize("domain", ["maquette", "maquette.front2", "MAQUETTE.FRONT", "*"])
def test_a_wrong_domain_is_refused(domain):
    server, own = KeyPair.new(), KeyPair.new()
    with port_of(Lock(domain, server.secret)) as (port, keeper):
        heard, trouble = knock(port, keeper, Keys(server.public, own.secret))
        assert not heard and type(trouble) is WrongKey and keeper.refused and not keeper.admitted


@pytest.mark.parametrize("request_", [
    [], [b"1.0"], [b"2.0", b"1", b"maquette.front", b"a", b"", b"CURVE", bytes(32)],
    [b"1.0", b"1", b"maquette.front", b"a", b"", b"NULL"],
    [b"1.0", b"1", b"maquette.front", b"a", b"", b"PLAIN", b"ann", b"secret"],
    [b"1.0", b"1", b"maquette.front", b"a", b"", b"CURVE"],
    [b"1.0", b"1", b"maquette.front", b"a", b"", b"CURVE", bytes(31)],
    [b"1.0", b"1", b"maquette.front", b"a", b"", b"CURVE", bytes(32), b"more"],
    [b"1.0", b"1", b"", b"a", b"", b"CURVE", bytes(32)], [b"1.0", b"1", b"\xff\xfe", b"a", b"", b"CURVE", bytes(32)],
])
def test_the_doorkeeper_lets_nothing_else_in(request_):
    context = zmq.Context()
    keeper = Doorkeeper(context, lambda door, key: True)
    answer = keeper._answer(request_)
    assert len(answer) == 6 and answer[2] in (b"400", b"500") and answer[4] == b"" and keeper.refused == 1
    keeper.close()
    context.term()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "[::]", "render1.studio"])
def test_no_keys_no_network(tmp_path, host):
    with pytest.raises(NotAllowed) as caught:
        Hub(HubOptions(tmp_path / "data", worker=False, host=host))
    assert "maquette keys init" in caught.value.hint and "--keys" in caught.value.hint
    assert not (tmp_path / "data").exists()  # refused before anything was opened
    key_folder.create(tmp_path / "keys", "tcp://h:1", "tcp://h:2")
    with pytest.raises(NotAllowed):  # keys alone are not enough: it must encrypt, too
        Hub(HubOptions(tmp_path / "data", worker=False, host=host, keys=tmp_path / "keys", encrypt=False))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("path", "mode"), [("keys", 0o750), ("keys/server.json", 0o640)])
def test_keys_that_others_can_read_are_not_used(tmp_path, path, mode):
    key_folder.create(tmp_path / "keys", "tcp://h:1", "tcp://h:2")
    (tmp_path / path).chmod(mode)
    with pytest.raises(NotAllowed, match=f"{mode:04o}") as caught:
        Hub(HubOptions(tmp_path / "data", worker=False, keys=tmp_path / "keys"))
    assert "chmod" in caught.value.hint


def test_a_hub_with_keys_keeps_its_identity_and_one_without_does_not(tmp_path):
    made = key_folder.create(tmp_path / "keys", "tcp://h:1", "tcp://h:2")
    with pytest.raises(NotAllowed, match="already"):
        key_folder.create(tmp_path / "keys", "tcp://h:1", "tcp://h:2")
    found = []
    for folder in (tmp_path / "keys", tmp_path / "keys", tmp_path / "none", tmp_path / "none"):
        hub = Hub(HubOptions(tmp_path / "data", worker=False, keys=folder))
        found.append((hub.info.server_key, hub.info.client_key, hub.info.worker_key))
        hub.stop()
    assert found[0][0] == found[1][0] == made.pair.public.hex() != found[2][0] != found[3][0]
    assert len({one[1] for one in found}) == len({one[2] for one in found}) == 4  # new for each start


def test_an_unencrypted_loopback_still_wants_the_secret(tmp_path):
    hub = Hub(HubOptions(tmp_path / "data", worker=False, encrypt=False))
    with Client(hub.info.address, token=bytes(32)) as wrong, Client.local(tmp_path / "data") as right:
        end = time.monotonic() + GUARD
        while right.state is not ConnectionState.READY or wrong.state is not ConnectionState.REFUSED:
            assert time.monotonic() < end
            hub.turn(0.005)
            for client in (wrong, right):
                client.poll()
        assert type(wrong.problem) is NotAllowed and not hub.info.server_key
    hub.stop()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_new_data_folder_is_private(tmp_path):
    """It holds everybody's prompts and results."""
    Hub(HubOptions(tmp_path / "data", worker=False)).stop()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
