# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints and the closed door to the network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from backend.priors.files import FINGERPRINTS, no_network, sha256_of


def test_digest_and_its_cache(tmp_path: Path) -> None:
    weights, cache = tmp_path / "weights", tmp_path / "cache" / "deep"
    weights.write_bytes(b"abc")
    wanted = hashlib.sha256(b"abc").hexdigest()
    assert sha256_of(weights) == wanted
    assert sha256_of(weights, cache) == wanted
    store = cache / FINGERPRINTS
    store.write_text(store.read_text().replace(wanted, "remembered"))
    assert sha256_of(weights, cache) == "remembered"  # not hashed again


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"abc")
    before = sha256_of(weights, tmp_path)
    weights.write_bytes(b"abd")
    os.utime(weights, ns=(1, 1))
    assert sha256_of(weights, tmp_path) != before
    assert sha256_of(weights, tmp_path) == hashlib.sha256(b"abd").hexdigest()


@pytest.mark.parametrize("content", ["not json", "[]", "{", ""])
def test_a_broken_cache_is_ignored(tmp_path: Path, content: str) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"abc")
    (tmp_path / FINGERPRINTS).write_text(content)
    assert sha256_of(weights, tmp_path) == hashlib.sha256(b"abc").hexdigest()


def test_a_cache_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"abc")
    (tmp_path / "file").write_text("in the way")
    assert sha256_of(weights, tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


def test_the_door_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(RuntimeError), no_network():
        assert constants.HF_HUB_OFFLINE and os.environ["HF_HUB_OFFLINE"] == "1"
        raise RuntimeError
    assert constants.HF_HUB_OFFLINE is False
    assert "HF_HUB_OFFLINE" not in os.environ and os.environ["TRANSFORMERS_OFFLINE"] == "0"


def test_a_users_own_wish_to_stay_offline_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with no_network():
        pass
    assert constants.HF_HUB_OFFLINE is True and os.environ["HF_HUB_OFFLINE"] == "1"
