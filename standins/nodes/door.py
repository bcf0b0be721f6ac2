"""A tenancy's own SSH server: its own host key and port, and exactly its keys."""

import asyncio
from functools import partial

import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR

from standins.nodes import shell
from standins.nodes.state import USER, Record, State, host_key, public_line


class Door:
    """The listener of one open tenancy and the connections through it."""

    def __init__(self, state: State, record: Record) -> None:
        self.state = state
        self.record = record
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.listener: asyncssh.SSHAcceptor | None = None

    async def open(self, address: str) -> None:
        """Starts to listen. Raises OSError when the port is taken."""
        key = await asyncio.to_thread(host_key, self.state.tenancy(self.record.machine) / "host_key")
        self.listener = await asyncssh.listen(
            address,
            self.record.port,
            server_host_keys=[key],
            server_factory=partial(_Tenant, self),
            encoding=None,
            line_editor=False,
            agent_forwarding=False,
            login_timeout=30,
            keepalive_interval=60,
        )

    def close(self) -> None:
        """Stops listening and cuts every connection; their processes are killed by the caller."""
        if self.listener:
            self.listener.close()
        for connection in list(self.connections):
            connection.abort()

    def update(self, record: Record) -> None:
        """Admits the record's keys from now on; a connection that came in with another one is cut."""
        self.record = record
        for connection in list(self.connections):
            if connection.get_extra_info("admitted") not in {None, *record.keys}:
                connection.abort()


class _Tenant(asyncssh.SSHServer):
    """Admits the tenant's keys and refuses everything else: passwords, forwarding, other users."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Remembers the connection, so that it can be cut."""
        self.connection = conn
        self.door.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        if self.connection:
            self.door.connections.discard(self.connection)

    def session_requested(self) -> asyncssh.SSHServerProcess[bytes]:
        """A session of this tenant."""
        return _Session(partial(shell.serve, self.door.state, self.door.record), None, 3, False)

    def begin_auth(self, username: str) -> bool:
        """Everybody must authenticate."""
        return True

    def public_key_auth_supported(self) -> bool:
        """The only way in."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether this user and key are the tenant's."""
        line = public_line(key)
        if username != USER or line not in self.door.record.keys or self.connection is None:
            return False
        self.connection.set_extra_info(admitted=line)
        return True


class _Session(asyncssh.SSHServerProcess[bytes]):
    """Gives file transfers to `shell` too: the library would serve them itself, with the node host's own rights."""

    def subsystem_requested(self, subsystem: str) -> bool:
        """Every subsystem reaches `shell`, which knows which there are."""
        return True

    def session_started(self) -> None:
        """Starts the handler, whatever was requested."""
        channel = self.channel
        reader = asyncssh.SSHReader[bytes](self, channel)
        writers = [asyncssh.SSHWriter[bytes](self, channel, kind) for kind in (None, EXTENDED_DATA_STDERR)]
        handler = self._start_process(reader, *writers)
        if handler:
            channel.get_connection().create_task(handler)
