"""How many requests and bytes a second ``serve`` answers with, beside nginx and other servers, in one run.

    python benchmarks/serving.py [--rounds 3] [--seconds 2] [--connections 1,16,128] [--servers nginx,serve,…]
    python benchmarks/serving.py --site /srv/mirror_pipeline/mirror/site --project numpy --wheel numpy-….whl
    python benchmarks/serving.py --before ../checkout-of-another-version

All have the same published site, one process and one thread or event loop for Python; no access log, no
TLS, keep-alive. nginx has one worker, ``sendfile``, and pages compressed beforehand (``gzip_static``).
``serve`` is this repository's; ``serve-log`` writes its access log, too. ``uvicorn``, ``granian-asgi`` and
``granian-rsgi`` are handed the same answers (``serving_candidates``). ``--before`` measures the server of
another checkout as well. Each server is first asked for everything once, and its answers are compared.

Wants ``nginx`` and ``wrk`` (Debian: ``apt-get install nginx-light wrk``), which share this machine's cores
with what they measure. Servers take turns within a round; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import itertools
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from publishing import listed, machine_seconds

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.generations import Provenance
from mirror_pipeline.domain.manifest import make_manifest
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.wheelset import Held
from mirror_pipeline.sites.directory import DirectorySite
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.aws_servers import free_port
from mirror_pipeline_tests.wheels import wheel

_TITLE = "### Serving"
_HERE = Path(__file__).parent
_PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
_BIG = 17_000_000
_SERVERS = ("nginx", "serve", "serve-log", "uvicorn", "granian-asgi", "granian-rsgi")
_OURS = (
    "import sys; from pathlib import Path; from mirror_pipeline.adapters.server import serve;"
    "serve(Path(sys.argv[1]), '127.0.0.1', int(sys.argv[2]), lambda url: None)"
)
_OURS_LOG = (
    "import sys; from pathlib import Path; from mirror_pipeline.adapters.server import serve, Extras;"
    "from mirror_pipeline.adapters.access_log import AccessLog;"
    "serve(Path(sys.argv[1]), '127.0.0.1', int(sys.argv[2]), lambda url: None,"
    "      extras=Extras(AccessLog(Path(sys.argv[3])), metrics=True))"
)


@dataclass(frozen=True)
class Case:
    """One kind of request."""

    name: str
    path: str
    headers: Mapping[str, str]
    status: int = 200
    in_bytes: bool = False
    """Whether bytes per second say more than requests."""


@dataclass(frozen=True)
class Load:
    """What one stretch of load came to."""

    requests: float
    """Per second."""
    megabytes: float
    """Per second, with heads."""
    median_ms: float
    worst_ms: float
    """Of 99 in 100."""
    cpu: float
    """Microseconds of the server's processes per request."""


@dataclass
class Running:
    """A server that was started."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    memory: float = 0.0

    def tree(self) -> list[int]:
        """Its processes: the one that was started, and the children of that."""
        pids = [self.process.pid]
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(path.read_text().rpartition(")")[2].split()[1]) in pids:
                    pids.append(int(path.parent.name))
            except OSError:  # it ended
                continue
        return pids

    def cpu_seconds(self) -> float:
        """Spent so far."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.tree()]
        return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")

    def look_at_memory(self) -> None:
        """Remember the most that was resident, in MB; what processes share counts for each."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.tree()]
        now = sum(int(found[1]) for text in texts if (found := re.search(r"VmRSS:\s+(\d+)", text))) / 1024
        self.memory = max(self.memory, now)


def made_up(home: Path, projects: int = 300) -> tuple[Path, str, str]:
    """A published site, one of its projects, and a big wheel in it."""
    import random

    chance, store = random.Random(1), WheelStore(home)  # noqa: S311 - no secret
    store.prepare()
    dists = [wheel("big", payload=_BIG), wheel("project-0000", payload=5000, requires_python=">=3.9")]
    held = []
    for dist in dists:
        store.path(dist.file).write_bytes(dist.content)
        held.append(Held(dist.artifact(), dist.size, store.core_metadata(dist.file)))
    pages = page_files({f"project-{number:04}": listed(chance, number) for number in range(projects)})
    manifest = make_manifest("requirements", ["linux-x86_64"], pages, held)
    provenance = Provenance("2026-11-20T00:00:00+00:00", "ann@example", "lock")
    DirectorySite(home).publish(Publication(pages, manifest, store.packages, provenance), Silent())
    return home / "site", "project-0001", dists[0].file


def cases(project: str, big: str) -> list[Case]:
    """What installers ask for."""
    page, packed = f"/simple/{project}/", {"accept-encoding": "gzip"}
    return [
        Case("page, HTML, gzip", page, {"accept": "text/html", **packed}),
        Case("page, JSON, gzip", page, {"accept": _PIP, **packed}),
        Case("page, 304", page, {"accept": _PIP, **packed}, 304),
        Case("metadata", f"/packages/{big}.metadata", {}),
        Case("wheel", f"/packages/{big}", {}, in_bytes=True),
        Case("64 KB of a wheel", f"/packages/{big}", {"range": "bytes=1000000-1065535"}, 206),
    ]


_NGINX = """
daemon off; worker_processes 1; pid {scratch}/nginx.pid; error_log {scratch}/error.log; user root;
events {{ worker_connections 1024; }}
http {{
  client_body_temp_path {scratch}/b; proxy_temp_path {scratch}/p; fastcgi_temp_path {scratch}/f;
  uwsgi_temp_path {scratch}/u; scgi_temp_path {scratch}/s;
  access_log off; sendfile on; keepalive_timeout 75; keepalive_requests 100000000;
  open_file_cache max=1000 inactive=60s; gzip_static on; gzip_vary on;
  types {{ text/html html; application/vnd.pypi.simple.v1+json v1_json; }}
  map $http_accept $page {{ default index.html; "~simple\\.v1\\+json" index.v1_json; }}
  server {{
    listen 127.0.0.1:{port} backlog=512; root {root};
    location /simple/ {{ add_header Vary Accept; rewrite ^(?<folder>.*)/$ $folder/$page break; }}
    location /packages/ {{ gzip_static off; default_type application/octet-stream; }}
  }}
}}
"""


def nginx_command(site: Path, port: int, scratch: Path) -> list[str]:
    """nginx on a copy of the pages with a compressed form beside each."""
    root = scratch / "site"
    if not root.exists():
        shutil.copytree(site.resolve(), root, symlinks=True, ignore=shutil.ignore_patterns("packages"))
        for path in [one for one in root.rglob("*") if one.is_file()]:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 6, mtime=0))
        (root / "packages").symlink_to((site / "packages").resolve())
    configuration = scratch / "nginx.conf"
    configuration.write_text(_NGINX.format(scratch=scratch, port=port, root=root))
    return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(configuration), "-p", str(scratch)]


def command_of(name: str, site: Path, port: int, scratch: Path) -> list[str]:
    """How a server is started."""
    python, app = [sys.executable, "-c"], f"--port {port} --host 127.0.0.1".split()
    granian = [sys.executable, "-m", "granian", *app, "--workers", "1", "--http", "1", "--no-ws"]
    granian += ["--log-level", "warning", "--interface"]
    uvicorn = [sys.executable, "-m", "uvicorn", *app, "--loop", "uvloop", "--http", "httptools"]
    uvicorn += ["--no-access-log", "--log-level", "warning", "--lifespan", "off", "--backlog", "512"]
    return {
        "nginx": lambda: nginx_command(site, port, scratch),
        "serve": lambda: [*python, _OURS, str(site), str(port)],
        "before": lambda: [*python, _OURS, str(site), str(port)],
        "serve-log": lambda: [*python, _OURS_LOG, str(site), str(port), str(scratch / "access.log")],
        "uvicorn": lambda: [*uvicorn, "serving_candidates:asgi"],
        "granian-asgi": lambda: [*granian, "asginl", "serving_candidates:asgi"],
        "granian-rsgi": lambda: [*granian, "rsgi", "serving_candidates:rsgi"],
    }[name]()


@contextmanager
def running(name: str, site: Path, scratch: Path, before: Path | None) -> Iterator[Running]:
    """One server, up when the block begins and gone after it."""
    port, folder = free_port(), scratch / name
    folder.mkdir()
    code = before if name == "before" and before else _HERE.parent
    environ = {**os.environ, "MIRROR_BENCH_SITE": str(site), "PYTHONPATH": f"{code}{os.pathsep}{_HERE}"}
    process = subprocess.Popen(command_of(name, site, port, folder), env=environ, cwd=folder)
    try:
        server = Running(name, port, process)
        wait_until_up(server)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_up(server: Running) -> None:
    """Until it answers anything."""
    until = time.monotonic() + 30
    while True:
        try:
            ask(server, Case("", "/absent", {}))
        except OSError:
            if time.monotonic() > until or server.process.poll() is not None:
                raise SystemExit(f"{server.name} does not come up") from None
            time.sleep(0.05)
        else:
            return


def ask(server: Running, case: Case) -> tuple[int, Mapping[str, str], bytes]:
    """One request."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", case.path, headers=dict(case.headers))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def as_this_server_has_it(server: Running, case: Case) -> Case:
    """With this server's own validator, where there is one to be sent."""
    if case.status != 304:
        return case
    etag = ask(server, case)[1]["etag"]
    return Case(case.name, case.path, {**case.headers, "if-none-match": etag}, 304)


def judged(servers: Sequence[Running], wanted: Sequence[Case]) -> None:
    """Everybody has to give the same answers before anybody is measured."""
    for case in wanted:
        told = {}
        for server in servers:
            status, headers, body = ask(server, as_this_server_has_it(server, case))
            packed = headers.get("content-encoding", "")
            told[server.name] = (status, gzip.decompress(body) if packed else body)
            if packed == "" and "accept-encoding" in case.headers and status == 200:
                print(f"{server.name} compresses nothing: {case.name}", file=sys.stderr)
        if len(set(told.values())) != 1 or next(iter(told.values()))[0] != case.status:
            raise SystemExit(f"{case.name}: {[(name, one[0], len(one[1])) for name, one in told.items()]}")


_WRK = re.compile(
    r"50%\s+([\d.]+)(us|ms|s).*?99%\s+([\d.]+)(us|ms|s).*?"
    r"(\d+) requests in ([\d.]+)(ms|s|m),\s+([\d.]+)(KB|MB|GB|B) read",
    re.DOTALL,
)
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_MB = {"B": 1e-6, "KB": 1.024e-3, "MB": 1.048576, "GB": 1073.741824}


def loaded(server: Running, case: Case, connections: int, seconds: float) -> Load:
    """Ask the same for some seconds, over so many connections."""
    case = as_this_server_has_it(server, case)
    fields = itertools.chain.from_iterable(("-H", f"{name}: {value}") for name, value in case.headers.items())
    command = [
        "wrk",
        "-t",
        "1",
        "-c",
        str(connections),
        "-d",
        f"{seconds:g}s",
        "--latency",
        "--timeout",
        "30s",
    ]
    before = server.cpu_seconds()
    url = f"http://127.0.0.1:{server.port}{case.path}"
    done = subprocess.run([*command, *fields, url], check=True, capture_output=True, text=True)
    cpu = server.cpu_seconds() - before
    server.look_at_memory()
    found = _WRK.search(done.stdout)
    if not found or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"{server.name}, {case.name}, {connections}:\n{done.stdout}{done.stderr}")
    median, worst = float(found[1]) * _MS[found[2]], float(found[3]) * _MS[found[4]]
    count, wall = int(found[5]), float(found[6]) * _MS[found[7]] / 1000
    return Load(
        count / wall, float(found[8]) * _MB[found[9]] / wall, median, worst, cpu / max(count, 1) * 1e6
    )


Measured = Mapping[tuple[str, int, str], Load]


def measure(
    servers: Sequence[Running],
    wanted: Sequence[Case],
    connections: Sequence[int],
    options: argparse.Namespace,
) -> Measured:
    """All rounds; medians of each figure by itself."""
    runs: dict[tuple[str, int, str], list[Load]] = {}
    for number in range(options.rounds):
        for case, count in itertools.product(wanted, connections):
            for server in servers if number % 2 else reversed(servers):
                load = loaded(server, case, count, options.seconds)
                runs.setdefault((case.name, count, server.name), []).append(load)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    fields = Load.__dataclass_fields__
    return {
        key: Load(*(statistics.median(getattr(one, name) for one in loads) for name in fields))
        for key, loads in runs.items()
    }


def report(
    servers: Sequence[Running],
    wanted: Sequence[Case],
    connections: Sequence[int],
    found: Measured,
    about: str,
) -> str:
    """A Markdown section."""
    names = [server.name for server in servers]
    head = " | ".join(f"`{name}`" for name in names)
    rule = "--:|" * len(names)

    def table(first: str, cell: str) -> list[str]:
        lines = [f"| {first} | connections | {head} |", f"|---|--:|{rule}"]
        for case, count in itertools.product(wanted, connections):
            cells = " | ".join(told(found[case.name, count, name], case, cell) for name in names)
            lines.append(f"| {case.name} | {count} | {cells} |")
        return [*lines, ""]

    memory = " | ".join(f"{server.memory:.0f}" for server in servers)
    return "\n".join(
        [
            f"{_TITLE}: {time.strftime('%Y-%m-%d')}", "", about, "",
            *table("requests/s (wheel: MB/s)", "rate"),
            *table("p50 / p99 ms", "latency"),
            *table("CPU of the server, µs per request", "cpu"),
            f"| | {head} |", f"|---|{rule}", f"| most resident, MB | {memory} |", "",
        ]
    )  # fmt: skip


def told(load: Load, case: Case, cell: str) -> str:
    """One figure."""
    if cell == "latency":
        return f"{load.median_ms:.2f} / {load.worst_ms:.2f}"
    if cell == "cpu":
        return f"{load.cpu:,.0f}"
    return f"{load.megabytes:,.0f} MB/s" if case.in_bytes else f"{load.requests:,.0f}"


def main() -> None:
    """Measure, and print or file the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", default=",".join(_SERVERS))
    parser.add_argument("--before", type=Path, help="a checkout of another version, measured as well")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", default="1,16,128")
    parser.add_argument("--site", type=Path, help="a published site of yours, in place of a made-up one")
    parser.add_argument("--project", help="one of its projects")
    parser.add_argument("--wheel", help="one of its wheels, with metadata beside it")
    parser.add_argument("--markdown", type=Path, help="replace the section of this benchmark in a file")
    options = parser.parse_args()
    names = [*(["before"] if options.before else []), *options.servers.split(",")]
    connections = [int(count) for count in options.connections.split(",")]
    with tempfile.TemporaryDirectory(prefix="mirror-bench-") as folder, ExitStack() as stack:
        scratch = Path(folder)
        site, project, big = (
            (options.site, options.project, options.wheel) if options.site else made_up(scratch / "home")
        )
        wanted = cases(project, big)
        servers = [
            stack.enter_context(running(name, site.absolute(), scratch, options.before)) for name in names
        ]
        judged(servers, wanted)
        started, busy = time.monotonic(), machine_seconds()
        found = measure(servers, wanted, connections, options)
        load = (machine_seconds() - busy) / (time.monotonic() - started)
        about = (
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, CPython "
            f"{platform.python_version()}, medians of {options.rounds} rounds of {options.seconds:g} s; "
            f"{load:.1f} cores busy in all, load {os.getloadavg()[1]:.1f}."
        )
        section = report(servers, wanted, connections, found, about)
    print(section)
    if options.markdown:
        old = options.markdown.read_text()
        kept = re.sub(
            rf"{re.escape(_TITLE)}:.*?(?=\n##|\Z)", lambda _: section, old, count=1, flags=re.DOTALL
        )
        options.markdown.write_text(kept if f"{_TITLE}:" in old else f"{old.rstrip()}\n\n{section}")


if __name__ == "__main__":
    main()
