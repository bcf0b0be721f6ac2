"""The only lines out of a site: TCP to the database and the broker, which on this machine answer on sockets."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from django.db import connection

PIECE = 1 << 16


@contextmanager
def lines(address: str) -> Iterator[dict[str, str]]:
    """Serves both at free ports of an address of this machine; yields a site's environment."""
    database, broker = urlsplit(os.environ["DATABASE_URL"]), urlsplit(os.environ["REDIS_URL"])
    sockets = [f"{parse_qs(database.query)['host'][0]}/.s.PGSQL.5432", broker.path]
    loop = asyncio.new_event_loop()
    servers = [loop.run_until_complete(asyncio.start_server(_to(path), address, 0)) for path in sockets]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield {
            "DATABASE_URL": f"postgresql://{database.username}@{address}:{ports[0]}/{connection.settings_dict['NAME']}",
            "REDIS_URL": f"redis://{address}:{ports[1]}",
        }
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        for server in servers:
            server.close()
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()


def _to(path: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(path)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(_pump(reader, outer), _pump(inner, writer))
        writer.close()
        outer.close()

    return serve


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(PIECE):
            sink.write(piece)
            await sink.drain()
    sink.close()
