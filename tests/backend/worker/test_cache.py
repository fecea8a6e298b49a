# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker keeps between jobs is bounded by memory, and the hub's address reaches a process whole."""

from __future__ import annotations

import io

import pytest

from backend.worker.cache import MOST_ENTRIES, ModelCache, cache_limit, tensor_bytes
from backend.worker.hubs import Hub, KnownHub, paired
from backend.worker.rank import Task, read_inputs, save_inputs
from protocol.errors import BadRequest
from protocol.keys import KeyPair, Keys, Pairing

torch = pytest.importorskip("torch")


class Prior:
    """Holds tensors as ours do: modules, a schedule, a shared text encoder."""

    def __init__(self, numbers: int, shared=None) -> None:
        self.network = torch.nn.Linear(numbers, 1, bias=False)
        self.noise = {"table": torch.zeros(16)}
        self.text = shared


def test_bytes_are_counted_once_wherever_they_hang():
    encoder = torch.nn.Linear(100, 1, bias=False)
    first, second = Prior(1000, encoder), Prior(2000, [encoder])
    view = encoder.weight[:, :10]
    assert tensor_bytes([first, second, view]) == 4 * (1000 + 2000 + 100 + 2 * 16)
    assert tensor_bytes({"a": 3, "b": "text", "c": None}) == 0


def test_what_was_used_longest_ago_goes_first():
    cache = ModelCache(4 * 2500)
    for number in range(3):
        cache[f"prior {number}"] = Prior(1000)
    assert cache["prior 0"] is not None  # used again
    assert cache.trim() == ["prior 1"] and list(cache) == ["prior 2", "prior 0"]
    assert cache.trim() == [] and cache.held() <= cache.limit
    cache["large"] = Prior(10_000)
    assert cache.trim() == ["prior 2", "prior 0", "large"] and len(cache) == 0
    for number in range(MOST_ENTRIES + 3):
        cache[str(number)] = number
    assert cache.trim() == ["0", "1", "2"]
    del cache["3"]
    assert "3" not in cache and cache_limit(80 << 30) == 40 << 30 and cache_limit(0, 2) < cache_limit(0)


def test_a_hub_survives_the_way_through_standard_input():
    hub = Hub("tcp://10.0.0.1:5571", b"secret", Keys(KeyPair.new().public, KeyPair.new().secret))
    assert Hub.from_line(hub.to_line()) == hub and KnownHub(hub).find() is hub
    assert hub.keys.secret.hex() not in repr(hub) and "secret" not in repr(hub).replace("secret=", "")
    for bad in ("", "{}", "[]", '{"address": "x", "token": "zz", "keys": null}'):
        with pytest.raises(BadRequest):
            Hub.from_line(bad)


def test_a_person_s_pairing_is_not_for_a_worker():
    keys = Keys(KeyPair.new().public, KeyPair.new().secret)
    assert paired(Pairing("east", "tcp://10.0.0.1:5571", keys, "worker")).keys == keys
    with pytest.raises(BadRequest, match="at a desk"):
        paired(Pairing("ann", "tcp://10.0.0.1:5570", keys))


def test_a_rank_is_told_everything(tmp_path):
    import numpy as np

    arrays = {"file": np.arange(4.0), "mask": np.ones((2, 2), bool)}
    path = save_inputs(tmp_path / "inputs.npz", arrays)
    found = read_inputs(path)
    assert set(found) == set(arrays) and all(np.array_equal(found[name], arrays[name]) for name in arrays)
    with pytest.raises(ValueError):
        found["file"][0] = 1.0
    assert save_inputs(tmp_path / "none.npz", {}) == "" and read_inputs("") == {}
    task = Task(1, 2, "meet", "ready", "backend.jobs", "text_to_3d", {"prompt": "x"}, str(tmp_path), path)
    assert Task.read(io.StringIO(task.to_line())) == task
