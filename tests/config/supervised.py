"""A small system for the supervisor's tests: `python -m tests.config.supervised DIRECTORY`."""

import sys
from pathlib import Path

from config.output import Output
from config.part import Part
from config.supervisor import Supervisor

SERVER = """
import pathlib, signal, sys, time
name, directory = sys.argv[1], pathlib.Path(sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(name, "started", flush=True)
(directory / name).write_text(str(__import__("os").getpid()))
while True: time.sleep(0.01)
"""


def main() -> None:
    directory = Path(sys.argv[1])

    def part(name: str, *needs: str) -> Part:
        argv = [sys.executable, "-c", SERVER, name, str(directory)]
        return Part(name=name, argv=argv, needs=needs, ready=(directory / name).exists)

    once = Part(name="once", argv=[sys.executable, "-c", "print('prepared')"], needs=("base",), once=True)
    parts = [part("top", "base", "once"), once, part("base")]
    output = Output(directory / "log", [part.name for part in parts])
    told = Supervisor(
        parts,
        output,
        when_ready=lambda: output.say("everything is ready"),
        when_stopping=lambda: output.say("no longer ready"),
    )
    told.run()


if __name__ == "__main__":
    main()
