"""Where the embedded servers keep their files, and as whom they run when started by root."""

import hashlib
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from config.part import Trouble

SOCKET_PATH_LIMIT = 107 - len("/.s.PGSQL.5432.lock")  # sun_path's bytes, less the longest name we put there


def server_user() -> pwd.struct_passwd | None:
    """Nobody else when we are an ordinary user; for root an account that exists, because PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return known[name]
    raise Trouble("PostgreSQL refuses to run as root and there is no user named postgres or nobody: add one.")


def reachable(path: Path) -> bool:
    """Whether any user may walk down to this path."""
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents) if parent.is_dir())


def home(state: Path) -> Path:
    """The directory for the servers' files: `state`, or one under /var/tmp when their user cannot get there.

    A link in `state` tells where they are, and whose they are: without it they belong to a `state` that was removed.
    """
    state.mkdir(parents=True, exist_ok=True)
    if server_user() is None:
        return state
    if reachable(state.parent):
        state.chmod(state.stat().st_mode | 0o011)
        return state
    elsewhere, link = _private(Path("/var/tmp"), state, mode=0o711), state / "servers"  # noqa: S108
    if not link.is_symlink():
        shutil.rmtree(elsewhere)
        link.symlink_to(_private(elsewhere.parent, state, mode=0o711))
    return elsewhere


def owned_dir(path: Path) -> Path:
    """The directory, made if need be, readable by the servers' user alone."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    user = server_user()
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def socket_dir(preferred: Path) -> Path:
    """A directory for sockets: the preferred one, or a short one when its path would not fit into an address."""
    if len(str(preferred)) <= SOCKET_PATH_LIMIT:
        return owned_dir(preferred)
    return owned_dir(_private(Path(tempfile.gettempdir()), preferred, mode=0o700))


def executables(package: Path, state: Path) -> Path:
    """The package's directory, or a copy in `state` when the servers' user cannot reach it (libraries come along)."""
    if server_user() is None or reachable(package):
        return package
    copy = state / "programs"
    for source in (package, package.with_name(package.name + ".libs")):
        if source.exists() and not (copy / source.name).exists():
            shutil.copytree(source, copy / f"{source.name}.part", symlinks=True, dirs_exist_ok=True)
            (copy / f"{source.name}.part").rename(copy / source.name)
    return copy / package.name


def _private(parent: Path, origin: Path, *, mode: int) -> Path:
    """A directory named after `origin` in a place that all may write to, refused when somebody else made it first."""
    path = parent / f"gridlease-{hashlib.sha256(str(origin).encode()).hexdigest()[:10]}"
    path.mkdir(mode=mode, exist_ok=True)
    user = server_user()
    if path.is_symlink() or path.stat().st_uid not in {os.geteuid(), user.pw_uid if user else -1}:
        raise Trouble(f"{path} belongs to somebody else: remove it, or set STATE_DIR to a shorter path of your own.")
    path.chmod(mode)  # whatever the umask made of it
    return path
