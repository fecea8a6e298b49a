# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the golden bytes of messages that have none yet; never touches one that is there.

    python tests/protocol/golden/write.py
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))
found = importlib.util.spec_from_file_location("examples", HERE.parent / "test_messages.py")
assert found is not None and found.loader is not None
examples = importlib.util.module_from_spec(found)
found.loader.exec_module(examples)

examples.GOLDEN.mkdir(exist_ok=True)
for direction, message in examples.ALL:
    path = examples.golden(direction, message)
    if not path.exists():
        path.write_bytes(examples.encode(message.to_envelope(id=examples.KEY))[1])
        print(path.name)
