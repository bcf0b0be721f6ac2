"""A small image for tenants of test hosts, made from this machine's own Debian files: no registry, no download.

It keeps the image contract of the podman provisioner: /bin/sh and OpenSSH's sshd. Tools are busybox's.
"""

import io
import re
import subprocess
import tarfile
from pathlib import Path
from shutil import which

PROGRAMS = ("/usr/sbin/sshd", "/usr/lib/openssh/sftp-server", "/usr/bin/bash", "/usr/bin/busybox")
FOLDERS = ("root", "tmp", "dev", "proc", "sys", "var/tmp", "var/log", "run", "usr/bin", "usr/sbin", "etc", "scratch")
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
sshd:x:101:65534::/run/sshd:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false
"""
TEXTS = {
    "etc/passwd": PASSWD,
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:1::::::\nsshd:*:1::::::\nnobody:*:1::::::\n",
    "etc/motd": "A tenant's machine on a test host.\n",
}


def lacking() -> list[str]:
    """The programs that this machine lacks for it."""
    return [path for path in PROGRAMS if not Path(path).is_file()]


def tenant_image() -> bytes:
    """The root file system as an uncompressed tar, about 20 MB."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in FOLDERS:
            _folder(tar, folder)
        for path in sorted({*PROGRAMS, *_libraries()}):
            tar.add(Path(path).resolve(), arcname=path.lstrip("/"), filter=_by_root)
        for applet in _applets():
            _link(tar, f"bin/{applet}", "/usr/bin/busybox")
        for shell in ("bash", "sh"):
            _link(tar, f"bin/{shell}", "/usr/bin/bash")
        for name, text in TEXTS.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def _libraries() -> set[str]:
    """The shared libraries of all programs, by the paths under which they are looked for."""
    found: set[str] = set()
    for program in PROGRAMS:
        listed = subprocess.run([which("ldd") or "ldd", program], capture_output=True, text=True, check=False).stdout
        found.update(re.findall(r"(/\S+) \(0x", listed))
    return found


def _applets() -> list[str]:
    """busybox's tools that are not programs of the image themselves."""
    listed = subprocess.run(["/usr/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split() if name not in {"sh", "bash", "ash"}]


def _folder(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o1777 if name.endswith("tmp") else 0o700 if name == "root" else 0o755
    tar.addfile(entry)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode &= 0o755
    return entry
