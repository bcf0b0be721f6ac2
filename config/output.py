"""One log for all parts: a coloured short name before each line, and a file for each part in var/log/."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
KEEP_BYTES = 10_000_000


class Output:
    """Where lines go. `say` is the supervisor's own voice."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.width = max(len(name) for name in [*names, "run"])
        self.colours = dict(zip(names, COLOURS * 2, strict=False))
        self.coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.files: dict[str, BinaryIO] = {}

    def line(self, name: str, text: bytes, *, shown: bool = True) -> None:
        """One line of a part, to its file and, if `shown`, to the screen."""
        self._file(name).write(text + b"\n")
        if shown:
            self._print(name, text.decode(errors="replace"))

    def say(self, text: str) -> None:
        """One line of the supervisor's."""
        self.line("run", text.encode())

    def _print(self, name: str, text: str) -> None:
        label = name.ljust(self.width)
        if self.coloured:
            label = f"\x1b[{self.colours.get(name, 1)}m{label}\x1b[0m"
        try:
            print(f"{label} | {text}", flush=True)
        except BrokenPipeError:  # whoever read our output is gone; the files stay
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  open as long as we are

    def _file(self, name: str) -> BinaryIO:
        if name not in self.files:
            path = self.directory / f"{name}.log"
            if path.exists() and path.stat().st_size > KEEP_BYTES:
                path.replace(path.with_suffix(".log.1"))
            self.files[name] = path.open("ab", buffering=0)
        return self.files[name]
