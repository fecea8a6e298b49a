# SPDX-License-Identifier: GPL-3.0-or-later
"""Small helpers for weights on disk: fingerprints that are computed once, and loading that can't reach the network."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FINGERPRINTS = "fingerprints.json"


def sha256_of(path: Path, cache_folder: Path | None = None) -> str:
    """Hex digest of a file. With `cache_folder`, the digest is kept there and reused while size and mtime stay.

    A cache that can't be read or written is ignored: it saves time and decides nothing.
    """
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    store = None if cache_folder is None else cache_folder / FINGERPRINTS
    known = _read(store)
    if key in known:
        return known[key]
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if store is not None:
        _write(store, {**_read(store), key: digest})
    return digest


def _read(store: Path | None) -> dict[str, str]:
    if store is None:
        return {}
    try:
        content = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(store: Path, content: dict[str, str]) -> None:
    partial = store.with_name(f"{store.name}.{os.getpid()}.partial")
    with suppress(OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        partial.replace(store)


@contextmanager
def no_network() -> Iterator[None]:
    """Inside, the model libraries may not open a connection, whatever their own defaults.

    The environment variables cover a library that is imported only now, the constant one that is there already;
    both are put back, so that a later load which is allowed online still can.
    """
    variables = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(dict.fromkeys(variables, "1"))
    from huggingface_hub import constants

    was_offline = constants.HF_HUB_OFFLINE
    # Imported under the variables above, the constant would stay True for the rest of the process.
    restore_to = was_offline if before["HF_HUB_OFFLINE"] else False
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = restore_to
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
