# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab: draws what `properties` and `link` hold, and calls operators. It decides nothing itself."""

from . import connection, history, pictures, queue, sidebar

CLASSES = (*sidebar.CLASSES, *queue.CLASSES, *history.CLASSES, *connection.CLASSES, *pictures.CLASSES)
