# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the wire protocol.

A release carries `protocol` as a sub-package of the add-on, because an extension may not add top-level modules; a
clone has it beside the add-on. The rest of the add-on says `from . import wire` and `wire.Client`, and does not know
which of the two it got.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from . import bundled


def _load(name: str) -> ModuleType:
    """`protocol.<name>`, vendored or top-level. A fault inside the vendored copy is raised, not hidden."""
    vendored = f"{__package__}.protocol"
    try:
        return importlib.import_module(f"{vendored}.{name}")
    except ModuleNotFoundError as error:
        if error.name != vendored:
            raise
    return importlib.import_module(f"protocol.{name}")


bundled.provide()
errors = _load("errors")
specs = _load("specs")
messages = _load("messages")
updates = _load("updates")
local = _load("local")
keys = _load("keys")
client = _load("client")
