# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette keys` and `maquette audit`: who may use a studio's hub, and who did what.

They run on the hub's own machine, as the owner of its data folder, and work while the hub runs. A pairing string is
printed once; the hub keeps only the public half of the key in it.
"""

from __future__ import annotations

import getpass
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from backend.cli.ask import manage
from backend.hub import keys as key_folder
from protocol.errors import BadRequest, NotAllowed
from protocol.keys import KeyPair, Keys, Pairing, check_name, fingerprint, write_private
from protocol.local import default_data_folder

PORT, BACK_PORT = 5570, 5571  # what `keys init` suggests: for clients, for workers
ROLES = click.Choice(["artist", "lead", "admin", "worker"])
QUOTAS = {
    "queued_jobs": "jobs that have not ended", "running_jobs": "jobs that run at once",
    "gpu_seconds": "seconds of a device in 24 hours", "stored_bytes": "bytes of all results", "job_bytes": "bytes of "
    "one job's inputs, and of its result",
}

F = TypeVar("F", bound=Callable[..., Any])


FOLDER = click.Path(path_type=Path, file_okay=False)
DATA = click.option("--data", type=FOLDER, default=None, help="The hub's data folder.")
KEYS = click.option("--keys", "folder", type=FOLDER, default=None,
                    help="Folder of the hub's keys. Default: `keys` in the data folder.")


def quota_options(command: F) -> F:
    """One option for each quota; 0 is no limit."""
    for name, meaning in reversed(QUOTAS.items()):
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, name, type=click.IntRange(0), default=None, help=f"At most: {meaning}.")(command)
    return command


@click.group()
def keys() -> None:
    """Who may use this hub: users, their keys, their roles and quotas."""


@keys.command()
@click.option("--address", required=True, help="host[:port] at which the other machines reach this one.")
@click.option("--back-port", type=click.IntRange(1, 65535), default=BACK_PORT, show_default=True,
              help="Port for workers on other machines.")
@click.option("--admin", default="", help="Name of the first admin. Default: your user name here.")
@DATA
@KEYS
def init(address: str, back_port: int, admin: str, data: Path | None, folder: Path | None) -> None:
    """Make the hub's key and a first admin, and print the admin's pairing string.

    From then on `maquette serve --host 0.0.0.0` listens to other machines.
    """
    which = "".join(f" --{name} {path}" for name, path in (("data", data), ("keys", folder)) if path is not None)
    data = data or default_data_folder()
    folder = folder or data / key_folder.FOLDER
    host, port = _host_and_port(address)
    admin = check_name(admin or re.sub(r"[^A-Za-z0-9._-]", "", getpass.getuser()) or "admin")
    front, back = f"tcp://{host}:{port}", f"tcp://{host}:{back_port}"
    if key_folder.load(folder) is None:
        Pairing(admin, front, Keys(bytes(32), bytes(32)))  # the address is checked before anything is written
    made = key_folder.create(folder, front, back)
    known = admin in (one["name"] for one in _users(data))
    manage(data, "set user" if known else "add user", {"name": admin, "role": "admin"})
    click.echo(f"The hub's key is in {folder} (fingerprint {fingerprint(made.pair.public)}). Keep a copy of it.")
    click.echo(f"Start it with: maquette serve --host 0.0.0.0 --port {port} --back-port {back_port}{which}")
    _pair(data, folder, admin, None)


@keys.command()
@click.argument("name")
@click.option("--role", type=ROLES, default="artist", show_default=True,
              help="artist: own jobs; lead: everybody's jobs and all priorities; admin: users too; worker: a machine.")
@quota_options
@DATA
def add(name: str, role: str, data: Path | None, **quotas: int | None) -> None:
    """Add the user NAME (or, with --role worker, the machine NAME). `maquette keys pair NAME` lets a machine in."""
    made = manage(data or default_data_folder(), "add user", {"name": name, "role": role, "quotas": _given(quotas)})
    click.echo(f"{made['name']} is {_article(made['role'])} {made['role']}; now: maquette keys pair {made['name']}")


@keys.command(name="set")
@click.argument("name")
@click.option("--role", type=ROLES, default=None, help="A new role.")
@quota_options
@DATA
def change(name: str, role: str | None, data: Path | None, **quotas: int | None) -> None:
    """Change the role or the quotas of the user NAME, from the next job on."""
    values = {"name": name, "role": role or "", "quotas": _given(quotas)}
    made = manage(data or default_data_folder(), "set user", values)
    click.echo(_user_line(made))


@keys.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help="Write the string into this file (mode 0600) instead of showing it.")
@DATA
@KEYS
def pair(name: str, out: Path | None, data: Path | None, folder: Path | None) -> None:
    """Make a key for one more machine of the user NAME and print its pairing string. It is shown once."""
    data = data or default_data_folder()
    _pair(data, folder or data / key_folder.FOLDER, name, out)


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@DATA
def show(as_json: bool, data: Path | None) -> None:
    """List the users with their roles, quotas and keys."""
    for one in _users(data or default_data_folder()):
        if as_json:
            click.echo(json.dumps(one, ensure_ascii=False))
            continue
        click.echo(_user_line(one))
        for key in one["keys"]:
            state = f"revoked {_when(key['revoked'])}" if key["revoked"] else f"since {_when(key['created'])}"
            click.echo(f"    {key['key']}  {state}")


@keys.command()
@click.argument("name")
@click.option("--key", default="", help="Only the key whose fingerprint begins so. Default: all of the user's keys.")
@DATA
def revoke(name: str, key: str, data: Path | None) -> None:
    """Take the keys of the user NAME away; open connections end at once. The user's jobs and results stay."""
    done = manage(data or default_data_folder(), "revoke", {"name": name, "key": key})
    click.echo(f"revoked: {', '.join(done['keys'])}")


@click.command()
@click.option("--user", default="", help="Only what this user did.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many rows, newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@DATA
def audit(user: str, limit: int, as_json: bool, data: Path | None) -> None:
    """Show who did what, when, to which job or user, and from which key."""
    before, left = 2**62, limit
    while left > 0:
        values = {"user": user, "limit": min(left, 100), "before": before}
        entries = manage(data or default_data_folder(), "audit", values)["entries"]
        for one in entries:
            before = one["number"]
            if as_json:
                click.echo(json.dumps(one, ensure_ascii=False))
            else:
                when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["time"]))
                click.echo(f"{when}  {one['user'] or '-':<12} {one['what']:<14} {one['about']:<34}"
                           f"{one['key'] or '-':<20} {one['detail']}".rstrip())
        left -= len(entries)
        if not entries:
            return


def _users(data: Path) -> Iterator[dict[str, Any]]:
    after, more = "", True
    while more:
        page = manage(data, "users", {"after": after})
        yield from page["users"]
        more, after = page["more"], page["users"][-1]["name"] if page["users"] else ""


def _pair(data: Path, folder: Path, name: str, out: Path | None) -> None:
    server = key_folder.load(folder)
    if server is None:
        raise NotAllowed(f"There is no server key in {folder}.", hint="Make it with `maquette keys init`, or name its "
                                                                      "folder with --keys.")
    if out is not None and out.exists():
        raise BadRequest(f"{out} exists already.", path="out", hint="Choose another file; it is not overwritten.")
    own = KeyPair.new()
    made = manage(data, "add key", {"name": name, "public": own.public})
    kind = "worker" if made["role"] == "worker" else "client"
    address = server.back_address if kind == "worker" else server.address
    text = Pairing(name, address, Keys(server.pair.public, own.secret), kind).text()
    use = "maquette worker --hub FILE" if kind == "worker" else "Pairing in the add-on's preferences"
    if out is not None:
        write_private(out, text + "\n")
        click.echo(f"The pairing string of {name} (key {made['key']}) is in {out}; it goes to: {use}")
        return
    click.echo(f"The pairing string of {name} (key {made['key']}), for: {use}. It is a secret and shown only now.",
               err=True)
    click.echo(text)


def _host_and_port(address: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:tcp://)?(\[[0-9a-fA-F:.]+\]|[^\[\]:/\s]+)(?::(\d{1,5}))?/?", address.strip())
    port = int(match[2] or PORT) if match is not None else 0
    if match is None or not 0 < port < 65536:
        raise BadRequest(f"{address!r} is not the address of a machine.", path="address",
                         hint=f"It has the form host:port, for example {socket.gethostname()}:{PORT}.")
    return match[1], port


def _given(quotas: dict[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in quotas.items() if value is not None}


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _user_line(one: dict[str, Any]) -> str:
    parts = []
    for name, limit in one["quotas"].items() if one["role"] != "worker" else ():
        used = one["usage"].get(name)
        if limit or used:
            share = "" if used is None else f"{_amount(name, used)} of "
            parts.append(f"{name.replace('_', ' ')} {share}{_amount(name, limit) if limit else 'any'}")
    return f"{one['name']:<16} {one['role']:<7} {', '.join(parts)}".rstrip()


def _amount(name: str, value: float) -> str:
    return f"{value / 1e6:,.0f} MB" if name.endswith("_bytes") else f"{value:,.0f}"
