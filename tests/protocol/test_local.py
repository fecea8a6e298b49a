# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection file: private, whole or absent, and clear words when it cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from protocol.errors import NotConnected
from protocol.local import ConnectionInfo, default_data_folder, read_connection_file, write_connection_file

INFO = ConnectionInfo("tcp://127.0.0.1:5", "tcp://127.0.0.1:6", "ab" * 32, 3, 17, "maquette 1")


def test_round_trip_and_mode(tmp_path):
    path = write_connection_file(tmp_path, INFO)
    write_connection_file(tmp_path, INFO)  # again: replaced
    assert read_connection_file(path) == read_connection_file(tmp_path) == INFO
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["connection.json"]
    assert INFO.secret == bytes.fromhex("ab" * 32)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"address": 1}', '{"address":"a","back_address":"b",'
                                     '"token":"xyz","epoch":1,"pid":2}', '{"address":"a","back_address":"b",'
                                     '"token":"abcd","epoch":1,"pid":2}', "\udcff"])
def test_unusable_files_say_what_to_do(tmp_path, content):
    (tmp_path / "connection.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(NotConnected) as caught:
        read_connection_file(tmp_path)
    assert "delete the file" in caught.value.hint


def test_no_file(tmp_path):
    with pytest.raises(NotConnected, match="No hub has left its address in .*nowhere"):
        read_connection_file(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/home/ann"}, "/home/ann/.local/share/maquette"),
        ("linux", {"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}, "/data/maquette"),
        ("darwin", {"HOME": "/Users/ann"}, "/Users/ann/Library/Application Support/maquette"),
        ("win32", {"USERPROFILE": "C:/Users/ann", "LOCALAPPDATA": "C:/local"}, "C:/local/maquette"),
        ("linux", {"HOME": "/home/ann", "MAQUETTE_DATA": "/elsewhere"}, "/elsewhere"),
    ],
)
def test_default_folder(platform, environ, expected):
    assert default_data_folder(environ, platform) == Path(expected)
