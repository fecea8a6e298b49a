# SPDX-License-Identifier: GPL-3.0-or-later
"""Many jobs from one file: what the `maquette batch` of the shell and the one inside Blender have in common.

`manifest` reads YAML, JSON or CSV into rows, `ledger` writes down what was asked for and what came of it (`asked` marks
it), `runner` keeps a few jobs at the hub until all rows have ended, `shelf` says how results stand in .blend files.
Writing files and Blender itself are the caller's business.
"""
