"""`./test`: every check and every test."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from config.part import Trouble

HELP = """\
./test                    everything: ruff, mypy, the import rules, pytest
./test coverage           pytest with line and branch coverage, which takes half as long again
./test ruff|mypy|imports  one of them
./test pytest [OPTION …]  pytest, for example ./test pytest tests/billing -k refund
./test help               this text

On Debian as root, missing tools (a browser, podman, an SSH server) are installed first. Elsewhere the groups of tests
that need them are skipped, each saying why; with CI=true that is a failure."""

# what the tests use -> the Debian package that brings it
TOOLS = {
    "chromium": "chromium",
    "podman": "podman",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "busybox": "busybox-static",
    "jq": "jq",
    "openssl": "openssl",
    "gocryptfs": "gocryptfs",
    "fusermount3": "fuse3",
    "git": "git",
}
PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
# Django's settings are read by the type checker; nothing is connected to.
SETTINGS = {"SECRET_KEY": "x", "DATABASE_URL": "postgresql:///none", "REDIS_URL": "redis://none"}


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit status."""
    os.environ["PATH"] = PATH
    match arguments:
        case []:
            return everything()
        case ["help" | "--help" | "-h", *_]:
            print(HELP)
            return 0
        case ["pytest", *rest]:
            install_tools()
            return pytest(*rest)
        case ["coverage"]:
            install_tools()
            return coverage()
        case [name] if name in CHECKS:
            return CHECKS[name]()
        case _:  # options and paths are pytest's
            return pytest(*arguments)


def everything() -> int:
    """All groups, also after one has failed, and a summary."""
    install_tools()
    results = {}
    for name, check in CHECKS.items():
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        results[name] = (check(), time.monotonic() - began)
    print("\n== summary")
    for name, (status, seconds) in results.items():
        print(f"{'ok    ' if status == 0 else 'FAILED'}  {name:<8} {seconds:6.1f} s")
    return max(status for status, _ in results.values())


def ruff() -> int:
    """Lint."""
    return call("ruff", "check", ".")


def mypy() -> int:
    """Types."""
    return call("mypy", ".", env=SETTINGS)


def imports() -> int:
    """Who may import whom."""
    return subprocess.call([str(Path(sys.executable).with_name("lint-imports"))])


# Tests that mostly wait for hosts and workers run beside those that mostly compute: two groups, two cores.
WAITING = ("tests/contracts", "tests/crashes")


def run_tests(*, cover: bool = False) -> int:
    """Every test: both groups at once, the second one's output after the first one's."""
    rest = [f"--ignore={folder}" for folder in WAITING]
    with tempfile.TemporaryFile("w+") as output:
        beside = _group("waiting", *WAITING, cover=cover, output=output)
        status = _group("computing", *rest, cover=cover).wait()
        statuses = [status, beside.wait()]
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout)
    return max(statuses)


def coverage() -> int:
    """Every test, and which lines and branches they went through."""
    status = run_tests(cover=True)
    call("coverage", "combine", "--quiet", *(f".coverage-{group}" for group in ("waiting", "computing")))
    call("coverage", "report")
    return status


def _group(group: str, *arguments: str, cover: bool, output: IO[str] | None = None) -> subprocess.Popen[bytes]:
    """pytest on a part of the tests, its measurements in a file of its own."""
    argv = [sys.executable, "-m", "pytest", *(["--cov", "--cov-report="] if cover else ["--no-cov"]), *arguments]
    env = os.environ | {"COVERAGE_FILE": str(Path.cwd() / f".coverage-{group}")}
    return subprocess.Popen(argv, env=env, stdout=output, stderr=subprocess.STDOUT if output else None)


def pytest(*arguments: str) -> int:
    """pytest with these arguments."""
    return call("pytest", *arguments)


CHECKS: dict[str, Callable[[], int]] = {"ruff": ruff, "mypy": mypy, "imports": imports, "pytest": run_tests}


def call(module: str, *arguments: str, env: dict[str, str] | None = None) -> int:
    """A Python module's command line."""
    return subprocess.call([sys.executable, "-m", module, *arguments], env=os.environ | (env or {}))


def install_tools() -> None:
    """On Debian as root, install what is missing; elsewhere say what is, once. Raises Trouble when apt-get fails."""
    packages = [package for tool, package in TOOLS.items() if not shutil.which(tool, path=PATH)]
    if not packages:
        return
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"Missing: {', '.join(packages)}. Tests that need them are skipped. As root: {' '.join(command)}")
        return
    print(f"Installing {', '.join(packages)} …", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update", "-qq"], command):
        done = subprocess.run(step, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Trouble(f"{' '.join(step[:2])} failed: {(done.stderr.strip().splitlines() or ['silently'])[-1]}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(str(trouble))
    except KeyboardInterrupt:
        sys.exit(130)
