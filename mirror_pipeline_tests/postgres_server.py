"""A real Postgres on the loopback interface, for the run history of more than one machine.

Its programs are looked for in the folder named by ``TEST_POSTGRES``, or where Debian puts them. Postgres
refuses to run as root: then it is started as another user. Without it the tests that want it are skipped,
saying so, and fail where ``CI`` is set.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import trustme

from mirror_pipeline_tests.aws_servers import free_port, missing, running, unique

_PATIENCE = 60.0
_VARIABLE = "TEST_POSTGRES"
_DEBIAN = Path("/usr/lib/postgresql")
_OWNER = "mirror_tests"
_OTHER_USERS = ("postgres", "nobody")
_FOR_TESTS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""A database that is thrown away need not survive a power cut."""


@dataclass(frozen=True)
class Database:
    """An empty database, and who may use it."""

    host: str
    port: int
    name: str
    user: str
    password: str

    def environment(self) -> dict[str, str]:
        """The variables of ``deploy/``, as each process needs them."""
        return {
            "DAGSTER_PG_HOST": self.host,
            "DAGSTER_PG_PORT": str(self.port),
            "DAGSTER_PG_DB": self.name,
            "DAGSTER_PG_USERNAME": self.user,
            "DAGSTER_PG_PASSWORD": self.password,
        }

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """The rows that a query answers, past everything that Dagster might say."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(question)
            return list(cursor.fetchall())

    def tell(self, statement: str) -> None:
        """Execute what is no query and wants no transaction."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)

    def _connect(self) -> Any:
        return psycopg2.connect(
            host=self.host, port=self.port, dbname=self.name, user=self.user, password=self.password
        )


@dataclass(frozen=True)
class Postgres:
    """The server. The password has characters that a URL would have to quote."""

    port: int
    password: str

    def database(self) -> Database:
        """A new database."""
        name = unique("history").replace("-", "_")
        self._named("postgres").tell(f"CREATE DATABASE {name}")
        return self._named(name)

    def _named(self, name: str) -> Database:
        return Database("127.0.0.1", self.port, name, _OWNER, self.password)


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """Make a cluster in a folder of its own and start it; passwords are asked for, and TLS is offered."""
    programs, port = _programs(), free_port()
    password = f"p@ss:{secrets.token_hex(8)}/%"
    with tempfile.TemporaryDirectory(prefix="mirror-postgres-") as scratch:
        data, secret, pem = (Path(scratch) / name for name in ("data", "password", "server.pem"))
        secret.write_text(password)
        pem.touch(mode=0o600)
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
        as_user = _as_user(Path(scratch), secret, pem)
        _initialize([*as_user, str(programs / "initdb")], data, secret)
        tls = ("ssl=on", f"ssl_cert_file={pem}", f"ssl_key_file={pem}")
        settings = (*_FOR_TESTS, *tls, "listen_addresses=127.0.0.1", "unix_socket_directories=")
        arguments = ["-D", str(data), "-p", str(port), *(word for each in settings for word in ("-c", each))]
        # SIGINT: SIGTERM would wait for every client that keeps a connection.
        with running(
            [*as_user, str(programs / "postgres"), *arguments], {}, port, ended_by=signal.SIGINT
        ) as log:
            _await_sessions(programs / "pg_isready", port, log)
            yield Postgres(port, password)


def _programs() -> Path:
    """The folder with ``initdb`` and ``postgres``; the newest of Debian's."""
    named = os.environ.get(_VARIABLE)
    if named:
        return Path(named)
    found = sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name))
    elsewhere = shutil.which("initdb")
    if found:
        return found[-1]
    return Path(elsewhere).parent if elsewhere else missing(_VARIABLE, "postgresql")


def _as_user(*owned: Path) -> Sequence[str]:
    """What to put before a command so that it does not run as root, who gives these paths away."""
    if os.geteuid() != 0:
        return ()
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next(known[name] for name in _OTHER_USERS if name in known)
    for path in owned:
        os.chown(path, user.pw_uid, user.pw_gid)
    return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--")


def _initialize(initdb: Sequence[str], data: Path, secret: Path) -> None:
    made = subprocess.run(
        [*initdb, "-D", str(data), "-U", _OWNER, f"--pwfile={secret}", "--auth=scram-sha-256",
         "--encoding=UTF8", "--locale=C", "--no-sync"],
        capture_output=True, text=True, check=False, cwd=data.parent,
    )  # fmt: skip
    if made.returncode:
        pytest.fail(f"initdb: {made.stdout[-1000:]}{made.stderr[-1000:]}")


def _await_sessions(pg_isready: Path, port: int, log: Path) -> None:
    """It listens a little before it lets anybody in."""
    deadline = time.monotonic() + _PATIENCE
    while subprocess.run([pg_isready, "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
        if time.monotonic() > deadline:
            pytest.fail(f"postgres lets nobody in: {log.read_text(errors='replace')[-2000:]}")
        threading.Event().wait(0.05)
