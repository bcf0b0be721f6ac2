"""Named `base`, as Django looks for it in the package that is the setting's ENGINE."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's, but a connection that was kept is not asked `SELECT 1` before each request."""

    def is_usable(self) -> bool:
        """
        A server says goodbye, and an operating system tells that its peer is gone: either can be read, while an idle
        connection has nothing to read. Only where there is something is the server asked.
        """
        if self.connection is None or self.connection.closed:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return super().is_usable() if waiting.poll(0) else True
