# SPDX-License-Identifier: GPL-3.0-or-later
"""How releases are made: the add-on's zips out of this repository. Standard library only, called by `build.py`."""
