"""`./test`: every check and every test."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
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
    """All groups, also after one has failed, and a summary. The tests' database is made while the others compute."""
    install_tools()
    results = {}
    with tempfile.TemporaryDirectory(prefix="gridlease-migrated-") as migrated:
        made = subprocess.Popen([sys.executable, "-m", "config.embedded.migrated", migrated])
        for name, check in CHECKS.items():
            print(f"\n== {name}", flush=True)
            began = time.monotonic()
            if check is run_tests and made.wait() == 0:  # else each group says why it cannot be made
                os.environ["MIGRATED"] = migrated
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


# These groups of tests run beside the rest, each on databases of its own; the first mostly waits, for hosts and
# workers, so that two cores have time for all.
BESIDE: dict[str, tuple[str, ...]] = {
    "waiting": ("tests/contracts", "tests/crashes"),
    "customers": ("tests/accounts", "tests/billing", "tests/bookings", "tests/marketplace"),
}


def run_tests(*, cover: bool = False) -> int:
    """Every test: all groups at once, what each wrote one after the other."""
    rest = [f"--ignore={folder}" for folders in BESIDE.values() for folder in folders]
    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in BESIDE]
        groups = [
            _group(name, *folders, cover=cover, output=output)
            for (name, folders), output in zip(BESIDE.items(), outputs, strict=True)
        ]
        statuses = [_group("rest", *rest, cover=cover).wait()]
        statuses += [_told(group, output) for group, output in zip(groups, outputs, strict=True)]
    return max(statuses)


def coverage() -> int:
    """Every test, and which lines and branches they went through."""
    status = run_tests(cover=True)
    call("coverage", "combine", "--quiet", *(f".coverage-{group}" for group in (*BESIDE, "rest")))
    call("coverage", "report")
    return status


def _group(group: str, *arguments: str, cover: bool, output: IO[str] | None = None) -> subprocess.Popen[bytes]:
    """pytest on a part of the tests, its measurements in a file of its own."""
    argv = [sys.executable, "-m", "pytest", *(["--cov", "--cov-report="] if cover else ["--no-cov"]), *arguments]
    argv += ["--reuse-db"] if "MIGRATED" in os.environ else []
    env = os.environ | {"COVERAGE_FILE": str(Path.cwd() / f".coverage-{group}")}
    return subprocess.Popen(argv, env=env, stdout=output, stderr=subprocess.STDOUT if output else None)


def _told(group: subprocess.Popen[bytes], output: IO[str]) -> int:
    """A group's exit status, once it has ended and its output is shown."""
    status = group.wait()
    output.seek(0)
    shutil.copyfileobj(output, sys.stdout)
    return status


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
