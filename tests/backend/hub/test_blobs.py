# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs are whole or not there, go on where they stopped, and a full disk is told and survived."""

from __future__ import annotations

import errno
import hashlib

import pytest

from backend.hub import blobs
from backend.hub.blobs import BlobStore
from protocol.errors import BadRequest, OutOfSpace, ProtocolError, UnknownBlob

DATA = bytes(range(256)) * 10
NAME = hashlib.sha256(DATA).digest()


@pytest.fixture
def store(tmp_path):
    return BlobStore(tmp_path / "blobs", free=lambda folder: 1 << 40)


def incoming(store):
    return list((store.folder / "incoming").iterdir())


def test_pieces_in_order_and_repeats(store):
    assert store.begin(NAME, len(DATA)) == 0
    assert store.put(NAME, 0, len(DATA), DATA[:1000]) == 1000
    assert store.put(NAME, 0, len(DATA), DATA[:1000]) == 1000  # a repeat changes nothing
    assert store.put(NAME, 2000, len(DATA), DATA[2000:]) == 1000  # a gap neither
    assert not store.has(NAME)
    assert store.begin(NAME, len(DATA)) == 1000  # goes on where it stopped
    assert store.put(NAME, 1000, len(DATA), memoryview(DATA)[1000:]) == len(DATA)
    assert store.has(NAME) and store.begin(NAME, len(DATA)) == len(DATA)
    with store.open(NAME) as file:
        assert file.read() == DATA
    assert incoming(store) == []


def test_empty_blob(store):
    name = hashlib.sha256(b"").digest()
    store.begin(name, 0)
    assert store.has(name)


def test_wrong_bytes_are_thrown_away(store):
    with pytest.raises(ProtocolError):
        store.put(NAME, 0, len(DATA), DATA[::-1])
    with pytest.raises(BadRequest):
        store.put(NAME, 0, 10, DATA)
    assert not store.has(NAME)
    assert store.put(NAME, 0, len(DATA), DATA) == len(DATA)
    with pytest.raises(UnknownBlob):
        store.open(bytes(32))


def test_a_killed_hub_leaves_no_rubbish(store, tmp_path):
    store.put(NAME, 0, len(DATA), DATA[:100])
    assert len(incoming(store)) == 1
    again = BlobStore(tmp_path / "blobs")
    assert incoming(again) == [] and not again.has(NAME) and again.begin(NAME, len(DATA)) == 0


def test_almost_full_disk_is_refused_before_writing(tmp_path):
    free = [10_000]
    store = BlobStore(tmp_path / "blobs", free=lambda folder: free[0], reserve=9_000)
    with pytest.raises(OutOfSpace) as caught:
        store.begin(NAME, len(DATA))
    assert caught.value.detail["need"] == len(DATA) + 9_000 and caught.value.retryable
    free[0] = 20_000
    assert store.put(NAME, 0, len(DATA), DATA[:500]) == 500
    free[0] = 9_000
    with pytest.raises(OutOfSpace):
        store.put(NAME, 500, len(DATA), DATA[500:])
    free[0] = 20_000
    assert store.put(NAME, 500, len(DATA), DATA[500:]) == len(DATA)  # nothing of the first part was lost


def test_disk_that_fills_during_a_write(store, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(blobs.os, "fsync", full)
    with pytest.raises(OutOfSpace):
        store.put(NAME, 0, len(DATA), DATA)
    assert not store.has(NAME) and incoming(store) == []
    monkeypatch.undo()
    assert store.put(NAME, 0, len(DATA), DATA) == len(DATA)
