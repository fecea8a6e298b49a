# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on and the backend say to each other, and nothing else.

Needs Python 3.10 or later, numpy, msgpack and pyzmq. Imports inside the package are relative, because the add-on
carries a copy of it as a sub-package. Errors and specs import without pyzmq.

What can be asked for is in `specs`, what is said in `messages` and `worker_messages`; `fields`, `checks`, `arrays` and
`framing` bring it to bytes and back, `versions` to those of an older side. A client on its sockets is `client`; what it
does is `session`, with `line`, `requests`, `following`, `uploads` and `downloads`, and what comes of it `updates`.
"""
