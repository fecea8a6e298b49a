# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette keys` and `maquette audit` as people use them: before the hub, beside it, and with what they print."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cli import exit_code, group
from backend.cli.private_hub import any_hub
from protocol.client import Client
from protocol.errors import MaquetteError, NotConnected, WrongKey
from protocol.keys import Pairing, read_pairing_file, write_private
from protocol.local import read_connection_file
from protocol.updates import ConnectionState

ROOT = Path(__file__).resolve().parents[3]
GUARD = 60.0  # seconds; against hanging, never a measurement


@pytest.fixture
def maquette(capsys):
    """Runs the command in this process; gives what it printed to standard output and standard error."""

    def run(*words: object, code: int = 0) -> tuple[str, str]:
        try:
            group([str(one) for one in words], prog_name="maquette", standalone_mode=False)
            found, error = 0, ""
        except MaquetteError as problem:
            found, error = exit_code(problem), str(problem)
        out, err = capsys.readouterr()
        assert found == code, error or out
        return out, err + error

    return run


@contextlib.contextmanager
def serving(data: Path, *more: object):
    process = subprocess.Popen(
        [sys.executable, "-m", "backend.cli", "serve", "--data", str(data), "--no-worker", "--quiet", *map(str, more)],
        cwd=ROOT,
    )
    try:
        end = time.monotonic() + GUARD
        while True:
            assert process.poll() is None and time.monotonic() < end, "the hub did not start"
            with contextlib.suppress(NotConnected):
                if read_connection_file(data).pid == process.pid:
                    break
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(GUARD)


def with_address(file: Path, pairing: Pairing, address: str) -> Path:
    """The pairing with the address that the test's hub got."""
    write_private(file, replace(pairing, address=address).text())
    return file


def test_from_init_to_revocation(tmp_path, maquette):
    data, file = tmp_path / "data", tmp_path / "ann.pairing"
    at = ("--data", data)
    text, words = maquette("keys", "init", "--address", "127.0.0.1:5570", "--admin", "root", *at)
    root = Pairing.parse(text.splitlines()[-1])
    assert (root.name, root.kind, root.address) == ("root", "client", "tcp://127.0.0.1:5570")
    assert "shown only now" in words and "--host 0.0.0.0 --port 5570" in text
    if os.name != "nt":
        assert (data / "keys").stat().st_mode & 0o777 == 0o700
        assert (data / "keys" / "server.json").stat().st_mode & 0o777 == 0o600
    maquette("keys", "add", "ann", "--queued-jobs", "5", *at)
    with serving(data, "--host", "0.0.0.0"):  # from here on beside a running hub
        address = read_connection_file(data).address
        assert address.startswith("tcp://127.0.0.1:")
        maquette("keys", "add", "gpu2", "--role", "worker", *at)
        assert maquette("keys", "pair", "ann", "--out", file, *at)[0].startswith("The pairing string of ann (key ")
        pairing = read_pairing_file(file)
        worker = Pairing.parse(maquette("keys", "pair", "gpu2", *at)[0])
        assert (worker.kind, worker.address) == ("worker", "tcp://127.0.0.1:5571")
        assert worker.keys.server == pairing.keys.server == root.keys.server
        with Client(address, keys=pairing.keys) as ann:
            ann.wait_connected(GUARD)
            with any_hub(None, False, pairing=with_address(file, pairing, address)) as another:
                assert another.user == "ann"
            seen = json.loads(maquette("status", "--json", "--hub", file)[0])
            assert seen["hub"]["clients"] >= 2 and seen["jobs"] == []
            lines = maquette("keys", "list", "--json", *at)[0].splitlines()
            listed = {one["name"]: one for one in map(json.loads, lines)}
            assert {name: one["role"] for name, one in listed.items()} == {
                "ann": "artist", "gpu2": "worker", "root": "admin",
            }
            (key,) = listed["ann"]["keys"]
            assert key["revoked"] is None and listed["ann"]["quotas"]["queued_jobs"] == 5
            assert key["key"] in maquette("keys", "revoke", "ann", *at)[0]
            end = time.monotonic() + GUARD
            while ann.state is not ConnectionState.REFUSED:
                assert time.monotonic() < end
                ann.poll(0.05)
            assert type(ann.problem) is WrongKey
            assert "does not accept this machine's key" in maquette("status", "--json", "--hub", file, code=2)[1]
        assert "revoked" in maquette("keys", "list", *at)[0]
        log = [json.loads(line) for line in maquette("audit", "--json", *at)[0].splitlines()]
    did = [(one["user"], one["what"], one["about"]) for one in log]
    for step in (("local", "add user", "root"), ("local", "add key", "root"), ("local", "add user", "ann"),
                 ("ann", "connect", ""), ("local", "revoke key", "ann")):
        assert step in did, step
    assert [one["number"] for one in log] == sorted((one["number"] for one in log), reverse=True)
    assert key["key"] in {one["key"] for one in log if one["user"] == "ann"}
    secret = pairing.keys.secret
    held = b"".join(one.read_bytes() for one in data.rglob("*") if one.is_file())
    assert secret not in held and secret.hex().encode() not in held  # the hub keeps the public half only


def test_wrong_usage_says_what_to_do(tmp_path, maquette):
    at = ("--data", tmp_path / "data")
    assert "maquette keys init" in maquette("keys", "pair", "ann", *at, code=2)[1]
    assert "host:port" in maquette("keys", "init", "--address", "a b", *at, code=2)[1]
    assert not (tmp_path / "data" / "keys").exists()
    maquette("keys", "init", "--address", "render1", *at)
    assert "already" in maquette("keys", "init", "--address", "render1", *at, code=2)[1]
    assert "maquette keys add" in maquette("keys", "set", "ben", "--role", "lead", *at, code=2)[1]
    assert "no user" in maquette("keys", "pair", "ben", *at, code=2)[1]
    maquette("keys", "add", "ben", *at)
    assert "already" in maquette("keys", "add", "ben", *at, code=2)[1]
    assert "no key" in maquette("keys", "revoke", "ben", *at, code=2)[1]
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert "not overwritten" in maquette("keys", "pair", "ben", "--out", taken, *at, code=2)[1]
    assert taken.read_text() == "mine"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_keys_open_to_others_are_refused(tmp_path, maquette):
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    words = maquette("keys", "init", "--address", "h", "--data", tmp_path / "data", "--keys", folder, code=2)[1]
    assert "0755" in words and f"chmod 700 {folder}" in words and not list(folder.iterdir())
