"""Makes the virtual environment from the hashed lock, then runs a module in it. Standard library only.

python3 config/bootstrap.py MODULE [ARGUMENT …]
"""

import errno
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.sha256"
NEEDED_BYTES = 1_500_000_000


class Trouble(Exception):
    """One sentence: what is wrong and how to mend it."""


def main():
    if sys.version_info < (3, 11):
        raise Trouble("Python 3.11 or newer is needed, and python3 is %d.%d here." % sys.version_info[:2])
    with LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second ./run waits here while the first one installs
        wanted = hashlib.sha256(lock.read() + sys.version.encode()).hexdigest()
        if not (STAMP.exists() and STAMP.read_text() == wanted and os.access(PYTHON, os.X_OK)):
            install()
            STAMP.write_text(wanted)
    # Many processes start, at once and again: what one has compiled the others read, and no folder but .venv sees it.
    os.environ["PYTHONPYCACHEPREFIX"] = str(VENV / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.execv(PYTHON, [str(PYTHON), "-m", *sys.argv[1:]])


def install():
    """Bring .venv to exactly what the lock says."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise Trouble("The disk has %d MB free and 1500 MB are needed for .venv: make room." % (free // 1_000_000))
    print("Installing what requirements.lock names into .venv …", flush=True)
    if not (PYTHON.exists() and PYTHON.resolve() == Path(sys.executable).resolve()):
        quiet([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], "Python could not make .venv")
    if not install_with_uv():
        print("uv did not work here; pip takes a minute longer …", flush=True)
        command = [*pip(), "install", "--require-hashes", "-r", str(LOCK)]
        quiet(command, "The packages could not be installed")


def install_with_uv():
    """True when uv did it: a uv from an earlier time, or one that pip fetches (pinned by the lock) for this."""
    for fetch in (False, True):
        uv = VENV / "bin" / "uv"
        if fetch:
            uv = fetch_uv()
        if uv and uv.exists():
            sync = [str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(PYTHON), str(LOCK)]
            if subprocess.run(sync).returncode == 0:
                return True
    return False


def fetch_uv():
    """uv's path in a directory of its own, or None."""
    pinned = re.search(r"^uv==(?:.*\\\n)*.*", LOCK.read_text(), re.MULTILINE)
    if not pinned:
        return None
    only = VENV / "uv.lock"
    only.write_text(pinned.group() + "\n")
    command = [*pip(), "install", "--require-hashes", "--target", str(VENV / "uv"), "--upgrade", "-r", str(only)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return VENV / "uv" / "bin" / "uv" if done.returncode == 0 else None


def pip():
    """A command that is pip for .venv: the wheel that Python brings along, or an installed one."""
    for attempt in (1, 2):
        wheel = bundled_pip()
        if wheel:
            return [str(PYTHON), str(wheel / "pip")]
        if importlib.util.find_spec("pip"):
            return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
        if attempt == 1 and os.geteuid() == 0 and shutil.which("apt-get"):
            print("Installing python3-venv …", flush=True)
            quiet(["apt-get", "update", "-qq"], "apt-get update failed")
            install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"]
            quiet(install, "python3-venv could not be installed")
            importlib.invalidate_caches()
    raise Trouble("pip is missing: as root, run apt-get install python3-venv, then ./run again.")


def bundled_pip():
    """Where ensurepip keeps its pip wheel; Debian keeps it elsewhere, and only with python3-venv."""
    spec = importlib.util.find_spec("ensurepip")
    if not spec or not spec.origin:
        return None
    places = [Path(spec.origin).parent / "_bundled", Path("/usr/share/python-wheels")]
    return next((wheel for place in places for wheel in sorted(place.glob("pip-*.whl"))), None)


def quiet(command, trouble):
    """Run it; only when it fails show the end of what it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["no reason given"])[-1]
        raise Trouble("%s: %s" % (trouble, last))


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.exit(str(trouble))
    except PermissionError as error:
        sys.exit("%s belongs to another user: clone the repository into a directory of your own." % error.filename)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            sys.exit("The disk is full (%s): make room." % error.filename)
        raise
    except KeyboardInterrupt:
        sys.exit(130)
