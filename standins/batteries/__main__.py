"""`python -m standins.batteries --watts 10000000 --watt-hours 20000000`: a site's battery at 127.82.0.1.

Nobody outside this machine reaches it: it listens on a loopback address only.
"""

import argparse
import asyncio
import signal
from ipaddress import IPv4Address

from standins.batteries.control import serve
from standins.batteries.machine import Kind, Machine
from standins.batteries.serving import Battery, Connection, clock


def main() -> None:
    """Reads the arguments and serves until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m standins.batteries", description=__doc__)
    parser.add_argument("--watts", type=int, default=10_000_000, help="in and out")
    parser.add_argument("--watt-hours", type=int, default=20_000_000)
    parser.add_argument("--charge", type=int, default=500, help="what it holds at first, thousandths")
    parser.add_argument("--in-percent", action="store_true", help="it is told per cent of its power, not watts")
    parser.add_argument("--host", type=IPv4Address, default=IPv4Address("127.82.0.1"), help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one, 502 is the real one")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0, help="how many seconds of its pass in one of ours")
    asyncio.run(run(parser.parse_args()))


async def run(arguments: argparse.Namespace) -> None:
    """Print where everything is, and serve."""
    kind = Kind(watts=arguments.watts, watt_hours=arguments.watt_hours, in_percent=arguments.in_percent)
    machine = Machine(kind, arguments.watt_hours * arguments.charge / 1000, clock(arguments.speed))
    battery, loop, stop = Battery(machine, arguments.speed), asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Connection(battery), str(arguments.host), arguments.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    port, control = server.sockets[0].getsockname()[1], serve(battery, arguments.control_port)
    print(f"battery at {arguments.host} port {port}, control at http://127.0.0.1:{control}", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    main()
