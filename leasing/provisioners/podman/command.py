"""One command to a podman node: the node's scripts and the inputs as files in one tar, sent over SSH to a fixed line.

Nothing that a customer wrote is ever part of a command line. The answer is lines of tab-separated fields.
"""

import io
import shlex
import tarfile
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from leasing.provisioners import base
from leasing.provisioners.base import Host, ProvisionerError
from leasing.provisioners.ssh import execute

SCRIPTS = Path(__file__).parent / "node"
# /run is memory: what a command brings with it never reaches the node's disk.
LINE = "sh -c " + shlex.quote(
    'umask 077; d=$(mktemp -d /run/gridlease.XXXXXX) && tar -xC "$d" -f - || exit 70; '
    'sh "$d/enter.sh" </dev/null >"$d/log" 2>&1; s=$?; '
    'cat "$d/out" 2>/dev/null; tail -c 2000 "$d/log" >&2; rm -rf "$d"; exit "$s"'
)

Answer = list[list[str]]


def command(host: Host, verb: str, machine_id: str, *, timeout: float, **inputs: str) -> Answer:
    """Does `verb` for the machine on the host and returns the answer's lines.

    Raises the exception that the node names, or ProvisionerError when it failed without a word.
    """
    given = {"verb": verb, "machine": machine_id} | inputs
    status, output, errors = execute(host, LINE, stdin=parcel(given), timeout=timeout)
    lines = [line.split("\t") for line in output.decode(errors="replace").splitlines()]
    for line in lines:
        if line[0] == "error":
            raise getattr(base, line[1], ProvisionerError)(f"Node {host.node_id}: {line[2]}")
    if status:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no word why"]
        raise ProvisionerError(f"Node {host.node_id} failed to {verb} {machine_id}: {last[0]}")
    return lines


def sections(answer: Answer) -> dict[str, str]:
    """What was printed, by name, as UTF-8 with what is not text replaced."""
    return {line[1]: b64decode(line[2]).decode(errors="replace") for line in answer if line[0] == "section"}


def parcel(inputs: Mapping[str, str]) -> bytes:
    """A tar of the scripts and of in/NAME for every input."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in _scripts().items():
            _add(tar, name, content)
        for name, text in inputs.items():
            _add(tar, f"in/{name}", text.encode())
    return packed.getvalue()


@cache
def _scripts() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(SCRIPTS.iterdir()) if path.is_file()}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    tar.addfile(entry, io.BytesIO(content))
