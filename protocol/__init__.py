# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on and the backend say to each other, and nothing else.

Needs Python 3.10 or later, numpy, msgpack and pyzmq. Imports inside the package are relative, because the add-on
carries a copy of it as a sub-package. Errors and specs import without pyzmq.
"""
