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


def load(name: str) -> ModuleType:
    """`protocol.<name>`, vendored or top-level. A fault inside the vendored copy is raised, not hidden."""
    vendored = f"{__package__}.protocol"
    try:
        return importlib.import_module(f"{vendored}.{name}")
    except ModuleNotFoundError as error:
        if error.name != vendored:
            raise
    return importlib.import_module(f"protocol.{name}")


bundled.provide()
errors = load("errors")
specs = load("specs")
messages = load("messages")
updates = load("updates")
local = load("local")
keys = load("keys")
client = load("client")
skeleton = load("skeleton")
naming = load("naming")
motion = load("motion")
bonemap = load("bonemap")
