# SPDX-License-Identifier: GPL-3.0-or-later
"""States in words, where the hub is, and the button that mends each error."""

from __future__ import annotations

from pathlib import Path

import addon_utils
import bpy
import pytest

from blender_addon import compat, connection, link, mending, pairings, preferences, wire
from blender_addon.connection import Connection, State

E = wire.errors
KEYS = wire.keys.Keys(b"s" * 32, b"c" * 32)


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (E.NotAllowed("Wrong key."), State.WRONG_KEY), (E.VersionMismatch("Too old."), State.OLD),
        (E.NotConnected("Offline.", code="offline"), State.OFFLINE), (E.NotConnected("Ended."), State.PROBLEM),
        (E.NotConnected("Draining.", code="draining"), State.BUSY), (E.BadRequest("No address."), State.PROBLEM),
    ],
)
def test_every_problem_has_a_state_in_words(addon, problem, state):
    link.current().problem = problem
    assert link.current().state is state and state.value


def test_a_studios_hub_that_does_not_answer_is_offline_after_a_while_and_tried_on(addon, monkeypatch):
    monkeypatch.setattr(preferences._DEFAULTS, "address", "127.0.0.1:9")
    now = [100.0]
    made = Connection(clock=lambda: now[0])
    made.open()
    assert made.state is State.CONNECTING
    now[0] += connection.OFFLINE_AFTER_S + 1.0
    made.mind()
    assert made.state is State.OFFLINE and made.problem is None and made.state.standing
    made.close()
    assert made.state is State.OFF


def test_another_machine_is_not_contacted_when_blender_works_offline(addon, monkeypatch):
    monkeypatch.setattr(compat, "is_module", lambda: False)
    monkeypatch.setattr(compat, "online_access", lambda: False)
    monkeypatch.setattr(preferences._DEFAULTS, "address", "10.0.0.5:5570")
    with pytest.raises(E.NotConnected, match="offline"):
        link.current().connect()
    assert link.current().state is State.OFFLINE and link.current()._client is None
    assert mending.of_connection(link.current().problem)[0] is mending.NETWORK
    monkeypatch.setattr(preferences._DEFAULTS, "address", "127.0.0.1:5570")  # this machine is no network
    link.current().connect()
    assert link.current().state is State.CONNECTING


def test_a_pairing_string_goes_before_an_address(addon, monkeypatch):
    text = wire.keys.Pairing("ann", "tcp://10.0.0.5:5570", KEYS).text()
    monkeypatch.setattr(preferences._DEFAULTS, "address", "127.0.0.1:1")
    monkeypatch.setattr(preferences._DEFAULTS, "pairing", f"  {text.upper()}\n")
    assert connection.destination() == ("tcp://10.0.0.5:5570", KEYS)
    assert connection.hub_key() == "tcp://10.0.0.5:5570"
    worker = wire.keys.Pairing("gpu1", "tcp://10.0.0.5:5571", KEYS, "worker").text()
    monkeypatch.setattr(preferences._DEFAULTS, "pairing", worker)
    with pytest.raises(E.BadRequest, match="for a worker"):
        connection.destination()
    monkeypatch.setattr(preferences._DEFAULTS, "pairing", text[:-4])
    with pytest.raises(E.BadRequest, match="damaged"):
        link.current().connect()
    assert link.current().state is State.PROBLEM and connection.hub_key() == "?"


def test_the_keys_reach_the_client(addon, monkeypatch):
    given = {}

    class Client:
        state, problem, hub = wire.updates.ConnectionState.CONNECTING, None, ""

        def __init__(self, address, software, keys=None):
            given.update(address=address, keys=keys)

        def close(self):
            pass

    monkeypatch.setattr(wire.client, "Client", Client)
    monkeypatch.setattr(preferences._DEFAULTS, "pairing", wire.keys.Pairing("ann", "tcp://127.0.0.1:5", KEYS).text())
    link.current().connect()
    assert given == {"address": "tcp://127.0.0.1:5", "keys": KEYS}


def errors():
    return [
        E.NotConnected("x"), E.NotConnected("x", code="offline"), E.NotConnected("x", code="no_backend"),
        E.NotAllowed("x"), E.VersionMismatch("x"), E.BadRequest("x"), E.EmptySurface("x"), E.TrainingDiverged("x"),
        E.PriorNotFound("x"), E.OutOfMemory("x"), E.WorkerCrashed("x"), E.Poisoned("x"), E.InternalError("x"),
        E.UnknownJob("x"), E.QuotaExceeded("x"), E.Cancelled(), E.ProtocolError("x"), ValueError("x"),
    ]


@pytest.mark.parametrize("error", errors(), ids=lambda one: f"{type(one).__name__}-{getattr(one, 'code', '')}")
def test_every_error_has_a_button_that_exists(addon, error):
    for remedies in (mending.of_connection(error), mending.of_job(error, "a" * 32)):
        assert remedies
        for remedy in remedies:
            group, _, name = remedy.operator.partition(".")
            known = getattr(getattr(bpy.ops, group), name).get_rna_type().properties
            assert set(remedy.properties) <= {one.identifier for one in known}


def test_the_first_button_is_the_one_that_helps():
    job = "a" * 32
    assert mending.of_job(E.EmptySurface("x"), job)[0].operator == "maquette.vary"
    assert mending.of_job(E.WorkerCrashed("x"), job)[0].operator == "maquette.retry"
    assert mending.of_job(E.PriorNotFound("x"), job)[0].operator == "maquette.reuse"
    assert mending.of_connection(E.NotAllowed("x"))[0].operator == "maquette.paste_pairing"


def test_the_pairing_string_is_kept_in_a_private_file_and_not_in_the_preferences(tmp_path, monkeypatch):
    monkeypatch.setattr(compat, "user_folder", lambda package, name: tmp_path)
    line = wire.keys.Pairing("ann", "tcp://10.0.0.5:5570", KEYS).text()
    assert addon_utils.enable("blender_addon", default_set=True) is not None
    try:
        settings = preferences.settings()
        assert settings.pairing == ""
        settings.pairing = f"  {line}\n"
        assert settings.pairing == line and connection.destination()[0] == "tcp://10.0.0.5:5570"
        assert pairings.path().stat().st_mode & 0o077 == 0
        bpy.ops.wm.save_userpref()
        saved = b"".join(path.read_bytes() for path in Path(bpy.utils.user_resource("CONFIG")).glob("*.blend"))
        assert saved and line.encode() not in saved and line not in str(dict(settings.items()))
        assert bpy.ops.maquette.unpair() == {"FINISHED"}
        assert settings.pairing == "" and not pairings.path().exists()
    finally:
        addon_utils.disable("blender_addon", default_set=True)
