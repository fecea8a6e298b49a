# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker keeps between jobs: loaded priors, above all. Bounded by memory, oldest use first out."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from typing import Any

import psutil

DEVICE_SHARE = 0.5  # of a GPU's memory that may stay taken while a new job begins
MACHINE_SHARE = 0.25  # of the main memory, where jobs compute on the CPU
MOST_ENTRIES = 64
DEPTH = 6


class ModelCache(MutableMapping[str, Any]):
    """A dictionary that forgets. limit: bytes of tensors that `trim` leaves."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: OrderedDict[str, Any] = OrderedDict()

    def __getitem__(self, key: str) -> Any:
        self._entries.move_to_end(key)
        return self._entries[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)

    def __delitem__(self, key: str) -> None:
        del self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def trim(self) -> list[str]:
        """Forget what is too much, oldest first; gives the keys. Called between jobs, when nothing is in use."""
        forgotten = []
        while self._entries and (self.held() > self.limit or len(self._entries) > MOST_ENTRIES):
            forgotten.append(self._entries.popitem(last=False)[0])
        torch = sys.modules.get("torch")
        if forgotten and torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        return forgotten

    def held(self) -> int:
        """Bytes of all tensors in the cache; shared ones count once."""
        return tensor_bytes(list(self._entries.values()))


def tensor_bytes(value: Any) -> int:
    """Bytes of the tensors that can be reached from `value` through attributes, modules and containers."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    seen: set[int] = set()
    storages: dict[int, int] = {}

    def walk(one: Any, depth: int) -> None:
        if depth > DEPTH or id(one) in seen or isinstance(one, (str, bytes, int, float, bool, type(None))):
            return
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(one, torch.nn.Module):
            for tensor in (*one.parameters(), *one.buffers()):
                walk(tensor, depth)
        elif isinstance(one, dict):
            for part in one.values():
                walk(part, depth + 1)
        elif isinstance(one, (list, tuple, set, frozenset)):
            for part in one:
                walk(part, depth + 1)
        else:
            for part in getattr(one, "__dict__", {}).values():
                walk(part, depth + 1)

    walk(value, 0)
    return sum(storages.values())


def cache_limit(device_bytes: int, workers: int = 1) -> int:
    """How much may be kept: half of a GPU, or a quarter of this worker's share of the main memory."""
    if device_bytes:
        return int(device_bytes * DEVICE_SHARE)
    return int(psutil.virtual_memory().total * MACHINE_SHARE / max(1, workers))
