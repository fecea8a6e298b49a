# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub tells of itself: to a terminal, to programs, and to Prometheus, whose own parser reads it here."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from backend.cli.status import page, size, span
from backend.hub.metrics import render
from backend.hub.server import Hub
from protocol import framing
from protocol.client import new_job_id
from protocol.errors import BadRequest
from protocol.manage import Manage, Managed
from protocol.messages import Submit, TextTo3DSpec

TITLE = 'a "chair"\nwith \\ legs'


def submit(hub, user, **values):
    job = new_job_id()
    spec = TextTo3DSpec("a chair", name=TITLE.replace("\n", " "))
    hub.desk.submit(user, Submit(bytes.fromhex(job), "text_to_3d", spec.to_map(), **values))
    return job


@pytest.fixture
def busy(bench):
    """A hub with one job that ended, one that runs and some that wait."""
    for user in ("local", 'o"dd\\\n'):
        bench.hub.desk.check_room = bench.hub.desk.check_priority = lambda *_: None
        done = submit(bench.hub, user)
        bench.run_job(done, 10)
        bench.skipped += 100.0
        submit(bench.hub, user, priority="batch")
        bench.hub.desk.lease(bench.hub.store.job(submit(bench.hub, user)), "w1")
    bench.hub.turn(0.0)
    return bench


def test_snapshot(busy):
    facts = busy.hub.report.snapshot("local", everybody=False)
    assert facts["hub"]["jobs"] == {"LEASED": 2, "QUEUED": 2, "SUCCEEDED": 2}
    assert facts["hub"]["waiting"] == {"interactive": 0, "normal": 0, "batch": 2}
    assert facts["hub"]["ended_last_hour"] == 2 and facts["hub"]["stored_bytes"] > 0 and facts["hub"]["room"]
    assert sum(one["share"] for one in facts["users"]) == pytest.approx(1.0, abs=0.001)
    assert {(one["waiting"], one["running"], one["ended_last_hour"]) for one in facts["users"]} == {(1, 1, 1)}
    assert [one["state"] for one in facts["jobs"]] == ["LEASED", "LEASED", "QUEUED", "QUEUED"]
    own = [one["user"] for one in facts["jobs"] if one["title"]]
    assert own == ["local", "local"]  # nobody else's business
    assert all(one["title"] for one in busy.hub.report.snapshot("local", everybody=True)["jobs"])
    busy.skipped += 3700.0
    assert busy.hub.report.snapshot("local", False)["hub"]["ended_last_hour"] == 0


def test_a_large_hub_fits_one_message(bench):
    bench.hub.desk.check_room = lambda *_: None
    for number in range(300):
        submit(bench.hub, f"user-{number:03d}")
    facts = bench.hub.report.snapshot("user-000", True)
    assert len(facts["jobs"]) == len(facts["users"]) == 100
    header = framing.encode(Managed(facts).to_envelope(id=bytes(16)))
    assert framing.decode(header).body["values"]["hub"]["jobs"] == {"QUEUED": 300}


def test_a_client_asks_for_it(busy, raw):
    (answer,) = raw.ask("ctl", Manage("status", {}))
    assert answer.values["hub"]["waiting"]["batch"] == 2


def test_page(busy):
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    facts = busy.hub.report.snapshot("local", True)
    facts["workers"] = [{
        "slot": "gpu0", "machine": "", "device": "GPU-1", "state": "running", "worker": "w1", "job": "ab" * 16,
        "reason": "", "device_bytes": 0, "says": "busy", "process_bytes": 2_500_000_000, "device_free_bytes": 0,
        "silent_seconds": 1.0, "worked_seconds": 5.0,
    }]
    facts["jobs"][0]["title"] = "a [/b]chair"  # not markup
    console.print(page({**facts, "hub": {**facts["hub"], "room": False, "draining": True}}))
    text = console.export_text()
    for words in ("2 batch", "gpu0", "working", "2.5 GB", "%", "leased", "the disk is full", "stopping", "abababab"):
        assert words in text, words
    assert "[/b]chair" in text
    narrow = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    facts["jobs"][0] |= {"title": "a very long title " * 4, "stage": "read the prompt", "seconds": 4000.0}
    narrow.print(page(facts))
    assert facts["jobs"][0]["job"][:8] in narrow.export_text()  # what commands want is never cut
    assert [span(one) for one in (59, 61, 90061)] == ["59 s", "1 min 1 s", "1 d 1 h"]
    assert (size(999), size(1.5e12)) == ("999 B", "1.5 TB")


def test_metrics_are_read_by_prometheus_own_parser(busy):
    families = {one.name: one for one in text_string_to_metric_families(render(busy.hub.report).decode())}
    states = {one.labels["state"]: one.value for one in families["maquette_jobs"].samples}
    assert states == {"LEASED": 2.0, "QUEUED": 2.0, "SUCCEEDED": 2.0}
    assert families["maquette_jobs_ended"].samples[0].value == 2.0 and families["maquette_jobs_ended"].type == "counter"
    users = {one.labels["user"] for one in families["maquette_user_running_jobs"].samples}
    assert users == {"local", 'o"dd\\\n'}
    assert families["maquette_stored_bytes"].samples[0].value > 0


def test_metrics_over_http(tmp_path, bench):
    hub = Hub(replace(bench.options, data=tmp_path / "other", metrics_port=0))
    try:
        for _ in range(3):
            hub.turn(0.0)
        address = f"http://127.0.0.1:{hub.metrics.port}"
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert b"maquette_uptime_seconds" in answer.read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/secrets", timeout=10)
        with pytest.raises(BadRequest, match="metrics"):
            Hub(replace(bench.options, data=tmp_path / "third", metrics_port=hub.metrics.port))
    finally:
        hub.stop()
