# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette job` against a hub with scripted jobs: what was submitted elsewhere is found, moved, ended and fetched."""

from __future__ import annotations

import json
import time

import click
import pytest

from backend.cli import exit_code, group
from backend.cli.private_hub import running_hub
from protocol.errors import MaquetteError, NotConnected

from .test_cli import GUARD, maquette


@pytest.fixture
def hub(tmp_path):
    """The data folder of a hub that runs; its worker does what prompts say."""
    process = maquette("serve", "--quiet", data=tmp_path, wait=False)
    end = time.monotonic() + GUARD
    try:
        while True:
            assert process.poll() is None and time.monotonic() < end, process.communicate()[1]
            try:
                with running_hub(tmp_path):
                    break
            except NotConnected:
                time.sleep(0.1)
        yield tmp_path
    finally:
        process.terminate()
        process.communicate(timeout=GUARD)


@pytest.fixture
def ask(capsys):
    """Runs a command in this process; gives what it printed to standard output, or to standard error where `code` is
    not 0."""

    def run(*words: str, data, code: int = 0) -> str:
        try:
            found = group([*words, "--data", str(data)], prog_name="maquette", standalone_mode=False) or 0
            problem = ""
        except MaquetteError as error:
            found, problem = exit_code(error), f"{error.message} {error.hint}"
        except click.ClickException as error:
            found, problem = error.exit_code, error.format_message()
        out, err = capsys.readouterr()
        assert found == code, problem or err
        return out if code == 0 else err + problem

    return run


def test_a_job_is_left_found_held_moved_and_fetched(hub, ask):
    def lines(*words):
        return [json.loads(line) for line in ask(*words, "--json", data=hub).splitlines()]

    long = ask("generate", "steps=3000 delay=0.02", "--detach", data=hub).strip()
    short = ask("generate", "steps=2", "--detach", data=hub).strip()
    last = ask("generate", "steps=3", "--detach", data=hub).strip()
    assert len({long, short, last}) == 3

    assert [one["job"] for one in lines("job", "list", "--open")] == [last, short, long]
    ask("job", "move", last[:8], "--first", data=hub)
    ahead = {one["job"]: one["ahead"] for one in lines("job", "list")}
    assert ahead[last] < ahead[short]
    assert "paused" in ask("job", "pause", short[:8], data=hub)
    assert "has not ended" in ask("job", "fetch", last[:8], "--out", str(hub / "no"), data=hub, code=2)
    assert not (hub / "no").exists()

    assert "cancel" in ask("job", "cancel", long[:8], data=hub)
    ask("job", "fetch", last[:8], "--wait", "--out", str(hub / "last"), data=hub)
    assert json.loads((hub / "last" / "report.json").read_text())["job"] == last
    assert (hub / "last" / "model.glb").read_bytes()[:4] == b"glTF"
    assert "was cancelled" in ask("job", "fetch", long[:8], "--wait", "--out", str(hub / "x"), data=hub, code=130)
    (told,) = lines("job", "show", last[:8])
    assert [one["state"] for one in told["events"]] == ["QUEUED", "LEASED", "RUNNING", "SUCCEEDED"]

    assert "nowhere.glb cannot be read" in ask("job", "fetch", last[:8], "--input", "mesh=nowhere.glb", "--out",
                                               str(hub / "x"), data=hub, code=2)

    assert "no input called wings" in ask("job", "fetch", last[:8], "--input", f"wings={__file__}", "--out",
                                          str(hub / "x"), data=hub, code=2)
    ask("job", "continue", short[:8], data=hub)
    ask("job", "fetch", short[:8], "--wait", "--out", str(hub / "short"), data=hub)
    assert "nothing to cancel" in ask("job", "cancel", "--all", data=hub)
    for words, message in ((("cancel", "zz"), "no job"), (("show", "0000"), "begins with 0000"), (("cancel",), "--all"),
                           (("move", short[:8]), "--first")):
        assert message in ask("job", *words, data=hub, code=2)


def test_no_hub_to_leave_a_job_with(tmp_path, ask):
    for words in (("generate", "a chair", "--detach"), ("job", "list")):
        assert "maquette serve" in ask(*words, data=tmp_path, code=3)
