"""`python -m standins.miners --fleet s21:9000,s19:3000`: the miners of a site, from 127.80.0.1 on.

They all have the same port. Nobody outside this machine reaches them: only loopback addresses are miners.
"""

import argparse
import asyncio
import resource
import signal
from ipaddress import IPv4Address

from standins.miners.control import serve
from standins.miners.kinds import KINDS
from standins.miners.machine import Machine
from standins.miners.serving import Connection, Fleet

BACKLOG = 4096


def main() -> None:
    """Reads the arguments and serves until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m standins.miners", description=__doc__)
    parser.add_argument("--fleet", required=True, help=f"MODEL:COUNT,…, of {', '.join(KINDS)}")
    parser.add_argument("--first", type=IPv4Address, default=IPv4Address("127.80.0.1"), help="the first one's address")
    parser.add_argument("--host", default="0.0.0.0", help="where to listen: the address of the only miner, or all")
    parser.add_argument("--port", type=int, default=0, help="of the miners; 0 picks a free one, 4028 is the real one")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0, help="how many seconds of theirs pass in one of ours")
    asyncio.run(run(parser.parse_args()))


async def run(arguments: argparse.Namespace) -> None:
    """Print where everything is, and serve."""
    fleet = Fleet(machines(arguments.fleet, arguments.first), arguments.speed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(fleet), arguments.host, arguments.port, backlog=BACKLOG)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    port, control = server.sockets[0].getsockname()[1], serve(fleet, arguments.control_port)
    first, count = next(iter(fleet.machines)), len(fleet.machines)
    print(f"{count} miners from {first} at port {port}, control at http://127.0.0.1:{control}", flush=True)
    await stop.wait()
    server.close()


def machines(fleet: str, first: IPv4Address) -> dict[str, Machine]:
    """Machines by address, in the order in which the models are named."""
    counts = [(KINDS[name], int(count)) for name, count in (part.split(":") for part in fleet.split(","))]
    kinds = [kind for kind, count in counts for _ in range(count)]
    return {str(first + number): Machine(kind) for number, kind in enumerate(kinds)}


if __name__ == "__main__":
    main()
