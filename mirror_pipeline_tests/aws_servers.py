"""Real servers that stand for AWS and for S3 servers by others, each a process on the loopback interface.

``ministack`` is AWS as a whole (S3, CloudFront with its data plane, IAM, ACM), with signatures and policies
enforced for IAM users. ``rclone serve s3`` is an S3 server by somebody else, which ignores conditions. Their
programs are named by ``TEST_MINISTACK`` and ``TEST_RCLONE`` or found on the PATH; without one the tests that
want it are skipped, saying so, and fail where ``CI`` is set.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest
from botocore.config import Config

REGION = "us-east-1"
_PATIENCE = 60.0
_SERVICES = "s3,cloudfront,iam,sts,kms,acm"
_REQUEST = re.compile(rb"((?:GET|HEAD|PUT|POST|DELETE) \S+) HTTP/1\.1\r\n")
_NOT_FORWARDED = {"host", "connection", "transfer-encoding", "content-length"}
_COUNTER = itertools.count(1)
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def program(variable: str, name: str) -> str:
    """Path of a server's program; skips where there is none, and fails in CI."""
    return os.environ.get(variable) or shutil.which(name) or missing(variable, name)


def missing(variable: str, name: str) -> NoReturn:
    """Skip for want of a program, or fail in CI."""
    message = f"{name} is missing: install it, or name it by {variable} (see CONTRIBUTING.md)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def unique(prefix: str) -> str:
    """A bucket or user name that no other test has."""
    return f"{prefix}-{next(_COUNTER)}-{uuid.uuid4().hex[:6]}"


@dataclass(frozen=True)
class Keys:
    """Credentials of one user."""

    access: str
    secret: str


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str], port: int, ended_by: int = signal.SIGTERM
) -> Iterator[Path]:
    """A server, once it listens; ended whatever happens. The value is the file with what it printed."""
    with tempfile.TemporaryDirectory(prefix="mirror-server-") as scratch:
        log = Path(scratch) / "output.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(command), env={**os.environ, **environ, "TMPDIR": scratch}, cwd=scratch,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            _await_port(process, port, log)
            yield log
        finally:
            process.send_signal(ended_by)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
            threading.Event().wait(0.05)
        else:
            return


@dataclass(frozen=True)
class S3Server:
    """An S3 server that is no AWS."""

    url: str
    keys: Keys

    def client(self) -> Any:
        """A client of boto3, as such servers need it."""
        config = Config(
            s3={"addressing_style": "path"},
            response_checksum_validation="when_required",
            request_checksum_calculation="when_required",
        )
        return _client("s3", self.url, self.keys, config)

    def bucket(self) -> str:
        """A new bucket."""
        name = unique("bucket")
        self.client().create_bucket(Bucket=name)
        return name

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment besides ``S3_ENDPOINT_URL``."""
        return {"AWS_ACCESS_KEY_ID": self.keys.access, "AWS_SECRET_ACCESS_KEY": self.keys.secret}


@dataclass(frozen=True)
class Ministack:
    """AWS, as far as this project uses it. ``admin`` may do everything."""

    url: str
    admin: Keys
    log: Path

    def client(self, service: str, keys: Keys | None = None) -> Any:
        """A client of boto3, of the administrator or of somebody else."""
        return _client(service, self.url, keys or self.admin)

    def bucket(self) -> str:
        """A new bucket, versioned as ours are."""
        name = unique("bucket")
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def user(self, policy: Mapping[str, Any] = ALLOW_ALL) -> Keys:
        """A new IAM user with one policy."""
        return _make_user(self.client("iam"), policy)

    def environment(self, keys: Keys | None = None) -> dict[str, str]:
        """What boto3 reads from the environment to come here."""
        user = keys or self.admin
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": user.access,
            "AWS_SECRET_ACCESS_KEY": user.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @contextmanager
    def counted(self) -> Iterator[tuple[Ministack, list[str]]]:
        """The same server behind a counter: the request lines of everything that is asked meanwhile."""
        with _counting(self.url) as (url, lines):
            yield replace(self, url=url), lines

    @contextmanager
    def edge(self, domain: str | Callable[[], str]) -> Iterator[Edge]:
        """The distribution with this domain, at an address that clients on this machine can reach.

        The domain may be asked for at each request: it is not known before there is a distribution.
        """
        with _edge(self.url, domain if callable(domain) else lambda: domain) as edge:
            yield edge


def _client(service: str, url: str, keys: Keys, config: Any = None) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name=REGION, config=config,
        aws_access_key_id=keys.access, aws_secret_access_key=keys.secret,
    )  # fmt: skip


def _make_user(iam: Any, policy: Mapping[str, Any]) -> Keys:
    name = unique("user")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Keys(key["AccessKeyId"], key["SecretAccessKey"])


@contextmanager
def run_ministack(services: str = _SERVICES) -> Iterator[Ministack]:
    """Start it, and make an administrator: signatures and policies count for IAM users only."""
    command, port = program("TEST_MINISTACK", "ministack"), free_port()
    environ = {
        "AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LOG_LEVEL": "WARNING",
        "SERVICES": services, "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
        "COVERAGE_PROCESS_START": "",
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running([command], environ, port) as log:
        root = _client("iam", url, Keys("test", "test"))
        yield Ministack(url, _make_user(root, ALLOW_ALL), log)


@contextmanager
def run_rclone(folder: Path) -> Iterator[S3Server]:
    """``rclone serve s3`` over a folder. Access keys must not be too short for it."""
    command, port = program("TEST_RCLONE", "rclone"), free_port()
    keys = Keys("AKIDFORTHETESTS01", "secret-for-the-tests-01")
    arguments = [
        "serve", "s3", "--auth-key", f"{keys.access},{keys.secret}", "--addr", f"127.0.0.1:{port}",
        str(folder), "--config", os.devnull, "--vfs-cache-mode", "off",
    ]  # fmt: skip
    with running([command, *arguments], {}, port):
        yield S3Server(f"http://127.0.0.1:{port}", keys)


@dataclass
class Edge:
    """A distribution as clients reach it, and what they asked: method, path, status."""

    url: str
    log: list[tuple[str, str, int]] = field(default_factory=list)


@contextmanager
def _edge(origin: str, domain: Callable[[], str]) -> Iterator[Edge]:
    """Forward to the data plane under the distribution's name, as https; names cannot be looked up here."""
    address = origin.removeprefix("http://")

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kept = {k: v for k, v in self.headers.items() if k.lower() not in _NOT_FORWARDED}
            upstream = http.client.HTTPConnection(address, timeout=_PATIENCE)
            upstream.request(
                self.command, self.path, headers={**kept, "Host": domain(), "X-Forwarded-Proto": "https"}
            )
            answer = upstream.getresponse()
            body = answer.read()
            edge.log.append((self.command, self.path, answer.status))
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in _NOT_FORWARDED:
                    self.send_header(key, value)
            length = answer.getheader("content-length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            upstream.close()

        do_HEAD = do_GET  # noqa: N815
        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """The list above is the log."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Forward)
    edge = Edge(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield edge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _counting(origin: str) -> Iterator[tuple[str, list[str]]]:
    """Hand every byte on as it is, and remember the request lines."""
    host, port = origin.removeprefix("http://").split(":")
    lines: list[str] = []

    class Hand(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=_pass_on, args=(server, self.request), daemon=True)
                back.start()
                _pass_on(self.request, server, lines)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Hand) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", lines
        finally:
            server.shutdown()
            thread.join()


def _pass_on(source: socket.socket, target: socket.socket, lines: list[str] | None = None) -> None:
    """Bytes from one to the other until the end; a request begins where a piece begins with a method."""
    try:
        while piece := source.recv(1 << 16):
            if lines is not None and (match := _REQUEST.match(piece)):
                lines.append(match[1].decode())
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one of the two hung up: that is its answer
