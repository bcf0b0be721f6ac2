"""Where the embedded servers live, and which ports they may have."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from config import ports
from config.embedded import places, postgres
from config.environment import keypair
from config.part import Part, Trouble, stop, wait_ready

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone drops to another user")


def test_a_path_too_long_for_a_socket_address_gets_a_short_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    short = places.socket_dir(deep)
    assert len(str(short)) < 60
    assert places.socket_dir(deep) == short, "the next start must find it again"
    short.rmdir()


def test_a_directory_that_all_may_reach_is_used_itself(tmp_path: Path) -> None:
    assert places.reachable(Path("/tmp"))
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    assert not places.reachable(hidden)


@as_root
def test_servers_move_out_of_a_directory_their_user_cannot_reach(tmp_path: Path) -> None:
    hidden = tmp_path / "root-only"
    hidden.mkdir(mode=0o700)
    moved = places.home(hidden / "var")
    assert moved.parent == Path("/var/tmp")
    assert places.reachable(moved)
    assert hidden.stat().st_mode & 0o777 == 0o700, "nobody's directories are opened for it"
    assert places.home(hidden / "var") == moved, "the next start must find them again"
    moved.rmdir()


@as_root
def test_removing_the_state_directory_starts_afresh_wherever_the_servers_are(tmp_path: Path) -> None:
    hidden = tmp_path / "root-only"
    hidden.mkdir(mode=0o700)
    moved = places.home(hidden / "var")
    (moved / "old").touch()
    shutil.rmtree(hidden / "var")
    assert list(places.home(hidden / "var").iterdir()) == []
    moved.rmdir()


@as_root
def test_a_directory_that_somebody_else_put_there_first_is_refused(tmp_path: Path) -> None:
    hidden = tmp_path / "root-only"
    hidden.mkdir(mode=0o700)
    place = places.home(hidden / "var")
    os.chown(place, 12345, 12345)
    with pytest.raises(Trouble, match="belongs to somebody else"):
        places.home(hidden / "var")
    place.rmdir()


def test_a_database_may_begin_as_a_copy_of_another_that_stopped(tmp_path: Path) -> None:
    one, copy = tmp_path / "one", tmp_path / "copy"
    with _running(*postgres.part(one, settings=postgres.TEST_SETTINGS)) as database:
        database.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with _running(*postgres.part(copy, settings=postgres.TEST_SETTINGS, like=one)) as database:
        assert database.execute("SELECT number FROM kept").fetchone() == (7,)


@contextmanager
def _running(server: Part, url: str) -> Iterator[psycopg.Connection]:
    process = server.spawn(subprocess.DEVNULL)
    try:
        wait_ready(server, process)
        with psycopg.connect(url) as database:
            yield database
    finally:
        stop(server, process)


def test_a_database_that_failed_to_start_is_not_ready(tmp_path: Path) -> None:
    assert not postgres._is_ready(tmp_path)
    (tmp_path / "postmaster.pid").write_text("1\n/data\n0\n5432\n/tmp\n\n  0 0\nstarting\n")
    assert not postgres._is_ready(tmp_path)
    (tmp_path / "postmaster.pid").write_text("1\n/data\n0\n5432\n/tmp\n\n  0 0\nready   \n")
    assert postgres._is_ready(tmp_path)


def test_a_busy_port_is_refused_with_the_name_of_who_has_it_and_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Trouble, match=rf"Port {port} is in use by .+ \(process {os.getpid()}\).*--port"):
            ports.claim(port)
        assert ports.near(port) != port


def test_a_port_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Trouble, match="1 to 65535"):
        ports.claim(70_000)


def test_a_key_pair_is_made_once_and_is_private(tmp_path: Path) -> None:
    public = keypair(tmp_path / "key")
    assert public.startswith("ssh-ed25519 AAAA")
    assert keypair(tmp_path / "key") == public
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
