"""The operator's door of the sandbox node host: one key, one JSON command per exec (or `watch`), no shell."""

import asyncio
import json
import logging
import signal
from pathlib import Path

import asyncssh

from standins.nodes.host import NodeHost
from standins.nodes.state import Refused, State, host_key, public_line
from standins.nodes.watching import watch

log = logging.getLogger(__name__)


async def run(*, address: str, port: int, directory: Path, authorized_key: Path, tenant_address: str) -> None:
    """Serves until SIGTERM or Ctrl-C; prints "ready HOST PORT KEY" (the host key to pin) when it is up."""
    host = NodeHost(State(directory), tenant_address)
    await host.tenancies.start()
    key = host_key(directory / "host_key")

    async def command(process: asyncssh.SSHServerProcess[bytes]) -> None:
        if process.command == "watch":
            await watch(host, process)
        else:
            process.stdout.write(await answer(host, process.command or "", await process.stdin.read()))
        process.exit(0)

    listener = await asyncssh.listen(
        address,
        port,
        server_host_keys=[key],
        authorized_client_keys=str(authorized_key),
        process_factory=command,
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        allow_pty=False,
    )
    print("ready", address, listener.get_port(), public_line(key), flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    listener.close()
    host.state.close()


async def answer(host: NodeHost, verb: str, request: bytes) -> bytes:
    """The JSON answer to one JSON command: {"ok": …} or {"error": kind, "message": …}."""
    try:
        return json.dumps({"ok": await host.obey(verb, json.loads(request))}).encode()
    except Refused as refusal:
        return json.dumps({"error": refusal.kind, "message": str(refusal)}).encode()
    except Exception as error:  # the host must outlive a bad command, and its sender must hear of it
        log.exception("command %r failed", verb)
        return json.dumps({"error": "ProvisionerError", "message": f"{verb} failed: {error!r}"}).encode()
