# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend.cli` is the `maquette` command, also where the package is not installed."""

from backend.cli import main

main()
