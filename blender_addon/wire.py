# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the wire protocol.

A release carries `protocol` as a sub-package of the add-on, because an extension may not add top-level modules; a
clone has it beside the add-on. The rest of the add-on says `from . import wire` and `wire.client.Client`, and does not
know which of the two it got.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from . import bundled

errors: Any
specs: Any
messages: Any
updates: Any
local: Any
keys: Any
client: Any
skeleton: Any
naming: Any
motion: Any
bonemap: Any

PLAIN = ("errors", "specs", "skeleton", "naming", "motion", "bonemap")
"""Those that need no package but NumPy: results can be brought into a file where the wire's own packages are not
installed."""


def load(name: str) -> ModuleType:
    """`protocol.<name>`, vendored or top-level. A fault inside the vendored copy is raised, not hidden."""
    if name.partition(".")[0] not in PLAIN:
        bundled.provide()
    vendored = f"{__package__}.protocol"
    try:
        return importlib.import_module(f"{vendored}.{name}")
    except ModuleNotFoundError as error:
        if error.name != vendored:
            raise
    return importlib.import_module(f"protocol.{name}")


def __getattr__(name: str) -> Any:
    """The modules that are named above, loaded when first asked for."""
    if name not in __annotations__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, load(name))
