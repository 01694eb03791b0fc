"""How fast a bucket is published to, beside boto3 with 16 threads, and what a publication of nothing costs.

    python benchmarks/publishing.py [--servers rclone,ministack,sink,distant] [--rounds 5] [--skip-refresh]
    python benchmarks/publishing.py --endpoint https://s3.example.org --servers own     # a server of yours

A made-up mirror of 1,000 projects (2,000 pages) and 300 wheels with their metadata is published to fresh
buckets; in the same run boto3 writes the very same objects, with the same headers, to other fresh buckets,
in turns. It is given the finished objects: it reads no manifest, compresses nothing, compares no digest and
keeps no books. Then the same is published again, which has to be one request, and ``mirror-pipeline refresh``
with nothing to do is timed as a whole process, on buckets of 5,000 objects and on a directory.

Servers are started on this machine and share its cores with the clients: ``rclone`` (in place), ``ministack``
(AWS, generations behind a CloudFront function), ``sink`` (generations; a server that costs next to nothing)
and ``distant`` (the same, each answer 30 ms late). The programs are those of the tests: ``TEST_RCLONE`` and
``TEST_MINISTACK`` name them. ``own`` takes its credentials and region from the environment, in place.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from servers import Server, running

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.generations import Provenance
from mirror_pipeline.domain.manifest import make_manifest
from mirror_pipeline.domain.objects import Upload
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.wheelset import CoreMetadata, Held
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.locks import package, poetry_lock, poetry_pyproject
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel

_AGAIN = 1250
"""Projects of one wheel each, for publications of nothing: wheels, metadata and two pages make 5,000."""
_FILES_PER_PAGE = (30, 135)
_WHEEL_BYTES = (20_000, 200_000)
_TAGS = "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"
_TITLE = "### Publishing to a bucket"
_WHOLE = "`refresh`, whole process"


def made_up(home: Path, projects: int, wheels: int, seed: int = 1) -> Publication:
    """A mirror whose pages list as many files as those of busy projects do; wheels are of the first ones."""
    chance, store = random.Random(seed), WheelStore(home)  # noqa: S311 - no secret
    store.prepare()
    held = []
    for number in range(wheels):
        dist = wheel(f"project-{number:04}", payload=chance.randrange(*_WHEEL_BYTES), requires_python=">=3.9")
        store.path(dist.file).write_bytes(dist.content)
        held.append(Held(dist.artifact(), dist.size, store.core_metadata(dist.file)))
    pages = page_files({f"project-{number:04}": listed(chance, number) for number in range(projects)})
    manifest = make_manifest(f"requirements of {seed}", ["linux-x86_64"], pages, held)
    provenance = Provenance("2026-11-20T00:00:00+00:00", "ann@example", "lock")
    return Publication(pages, manifest, store.packages, provenance)


def listed(chance: random.Random, number: int) -> list[Held]:
    """What one project's page lists."""
    return [
        Held(
            Artifact(
                f"project_{number:04}-1.{release}-{_TAGS}.whl",
                chance.randbytes(32).hex(),
                canonicalize_name(f"project-{number:04}"),
                f"1.{release}",
            ),
            chance.randrange(10**6),
            CoreMetadata(chance.randbytes(32).hex(), 1000, ">=3.9"),
        )
        for release in range(chance.randrange(*_FILES_PER_PAGE))
    ]


@dataclass(frozen=True)
class Run:
    """One timed stretch of work, in seconds: wall, CPU of this process, of servers it started, of others."""

    wall: float
    cpu: float
    server: float
    others: float
    sending: float = 0.0


def timed(work: Callable[[], float]) -> Run:
    """Do it. What it returns is the part of it that was spent on sending."""
    gc.collect()
    machine, servers = machine_seconds(), children_seconds()
    cpu, wall = time.process_time(), time.perf_counter()
    sending = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    servers = children_seconds() - servers
    others = max(machine_seconds() - machine - cpu - servers, 0.0)
    return Run(wall, cpu, servers, others, sending)


def machine_seconds() -> float:
    """CPU seconds that the whole machine has spent; 0 where nobody tells."""
    try:
        fields = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    except OSError:
        return 0.0
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def children_seconds() -> float:
    """CPU seconds of the processes that this one started and that still run; 0 where nobody tells."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended
            continue
        if int(fields[1]) == os.getpid():
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(patience: float) -> None:
    """Wait until nobody else works on this machine, but not for ever."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        before = machine_seconds()
        time.sleep(1.0)
        if machine_seconds() - before < 0.1:
            return


@dataclass(frozen=True)
class Compared:
    """All rounds on one server."""

    server: Server
    objects: int
    size: int
    ours: Sequence[Run]
    theirs: Sequence[Run]


def compare(server: Server, publication: Publication, rounds: int, patience: float) -> Compared:
    """Publish and let boto3 write the same, in turns, after a round that does not count."""
    site, store = server.site(server.bucket())
    site.publish(publication, Silent())
    uploads = store.sent
    ours: list[Run] = []
    theirs: list[Run] = []
    write(server, server.bucket(), uploads)
    for number in range(rounds):
        turns = [
            (ours, lambda b: publish(server, b, publication)),
            (theirs, lambda b: write(server, b, uploads)),
        ]
        for runs, work in turns if number % 2 else reversed(turns):
            bucket = server.bucket()
            wait_for_quiet(patience)
            runs.append(timed(lambda: work(bucket)))  # noqa: B023 - called at once
            server.empty()
        print(f"{server.name}: {ours[-1]} {theirs[-1]}", file=sys.stderr)
    return Compared(server, len(uploads), sum(upload.size for upload in uploads), ours, theirs)


def publish(server: Server, bucket: str, publication: Publication) -> float:
    """Publish as the pipeline does."""
    site, store = server.site(bucket)
    site.publish(publication, Silent())
    return store.sending


def write(server: Server, bucket: str, uploads: Sequence[Upload]) -> float:
    """Write the same objects by boto3 in threads, and nothing else."""
    client = server.client()

    def put(upload: Upload) -> None:
        body = upload.source if isinstance(upload.source, bytes) else upload.source.read_bytes()
        encoding = {"ContentEncoding": upload.content_encoding} if upload.content_encoding else {}
        client.put_object(
            Bucket=bucket, Key=upload.key, Body=body,
            ContentType=upload.content_type, CacheControl=upload.cache_control, **encoding,
        )  # fmt: skip

    started = time.perf_counter()
    with ThreadPoolExecutor(server.threads) as pool:
        for _ in pool.map(put, uploads):
            pass
    return time.perf_counter() - started


@dataclass(frozen=True)
class Nothing:
    """Publishing what is live already: seconds, requests as the publisher and as the server count them."""

    what: str
    objects: int
    seconds: Sequence[float]
    requests: str


def publish_nothing(server: Server, publication: Publication, times: int) -> Nothing:
    """Publish the same again and again, each time as a new publisher."""
    bucket = server.bucket()
    first = server.site(bucket)[0].publish(publication, Silent())
    seconds: list[float] = []
    asked: set[int] = set()
    counted: set[int | None] = set()
    for _ in range(times):
        site, _ = server.site(bucket)
        server.requests()
        started = time.perf_counter()
        outcome = site.publish(publication, Silent())
        seconds.append(time.perf_counter() - started)
        counted.add(server.requests())
        asked.add(outcome.requests)
        assert outcome.generation == first.generation
        assert not outcome.uploaded
    server.empty()
    told = sorted(asked | {count for count in counted if count is not None})
    what = f"publishing again, in process, {server.name}"
    return Nothing(what, len(publication.manifest.files) + 1, seconds, ", ".join(map(str, told)))


@dataclass
class Home:
    """A mirror of its own, refreshed by whole processes."""

    root: Path
    server: Server | None
    seconds: list[float] = field(default_factory=list)
    counted: set[int | None] = field(default_factory=set)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """As it was when its server had been started."""

    def configure(self, index: str) -> None:
        """Write ``config.env``."""
        values = {
            "ORBIT_PROJECT": "shop", "MIRROR_HOME": "home", "MIRROR_PLATFORMS": "linux-x86_64",
            "MIRROR_PYTHONS": "3.12", "MIRROR_INDEX_URL": index,
        }  # fmt: skip
        if self.server:
            values["BUCKET_NAME"] = self.server.bucket()
            aws = self.server.name == "ministack"  # its address is in the environment
            values |= {"MIRROR_PUBLISH": "in-place"} if aws else {"S3_ENDPOINT_URL": self.server.url}
        (self.root / "config.env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))

    def refresh(self) -> Mapping[str, Any]:
        """``mirror-pipeline refresh`` as a process; its answer."""
        command = [sys.executable, "-m", "mirror_pipeline", "refresh", "--json", "--config"]
        config = str(self.root / "config.env")
        done = subprocess.run(
            [*command, config], capture_output=True, text=True, check=False, env=self.environ
        )
        if done.returncode:
            raise SystemExit(
                f"refresh ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        answer: Mapping[str, Any] = json.loads(done.stdout)
        return answer

    def time_nothing(self) -> None:
        """A refresh that has nothing to do."""
        if self.server:
            self.server.requests()
        started = time.perf_counter()
        answer = self.refresh()
        self.seconds.append(time.perf_counter() - started)
        if self.server:
            self.counted.add(self.server.requests())
        assert answer["recomputed"] == [], answer

    @property
    def objects(self) -> int:
        """Published files, the manifest among them."""
        live = self.root / "home" / "documents"
        return len(json.loads(next(live.glob("index*")).read_text())["manifest"]["files"]) + 1


def refresh_nothing(
    names: Sequence[str], scratch: Path, projects: int, times: int, patience: float
) -> list[Nothing]:
    """The whole process, with nothing to do, on a directory and on buckets of the same mirror."""
    with ExitStack() as stack:
        upstream = stack.enter_context(FakeUpstream())
        first = Home(scratch / "directory", None)
        lock_made_up(first.root / "shop", upstream, projects)
        first.configure(upstream.url)
        first.refresh()
        homes = [first]
        for name in names:
            server = stack.enter_context(running(name, ""))
            home = Home(scratch / name, server)
            shutil.copytree(first.root, home.root, symlinks=True)
            home.configure(upstream.url)
            home.refresh()
            homes.append(home)
        for _, home in itertools.product(range(times), homes):
            wait_for_quiet(patience)
            home.time_nothing()
    return [nothing_of(home) for home in homes]


def nothing_of(home: Home) -> Nothing:
    """A row of it."""
    counted = sorted(count for count in home.counted if count is not None)
    where = home.server.name if home.server else "directory"
    told = ", ".join(map(str, counted)) or "not counted"
    return Nothing(f"{_WHOLE}, {where}", home.objects, home.seconds, told if home.server else "")


def lock_made_up(folder: Path, upstream: FakeUpstream, projects: int) -> None:
    """A project with so many packages of one small wheel each, and the index that has them."""
    folder.mkdir(parents=True)
    dists = [upstream.add(wheel(f"project-{number:04}", payload=2_000)) for number in range(projects)]
    packages = [package(dist.project, dist.version, files={dist.file: dist.sha256}) for dist in dists]
    (folder / "poetry.lock").write_text(poetry_lock(packages))
    (folder / "pyproject.toml").write_text(poetry_pyproject("shop"))


def report(compared: Sequence[Compared], nothing: Sequence[Nothing], rounds: int) -> str:
    """A Markdown section."""
    lines = [f"{_TITLE}: {time.strftime('%Y-%m-%d')}", "", machine_line(rounds), ""]
    if compared:
        lines += [
            "| server | | objects | MB | wall s | objects/s | MB/s | CPU s | server's CPU s | × boto3 |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|---|",
            *itertools.chain.from_iterable(map(rows_of, compared)),
            "",
            f"Other processes had at most {most_of_others(compared):.0%} of the machine meanwhile.",
            "",
        ]
    if nothing:
        lines += [
            "| nothing to do | objects | requests | median s | fastest s | slowest s | beyond a directory |",
            "|---|--:|--:|--:|--:|--:|--:|",
            *rows_of_nothing(nothing),
            "",
        ]
    return "\n".join(lines)


def machine_line(rounds: int) -> str:
    """What it ran on."""
    import boto3
    import obstore

    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"boto3 {boto3.__version__}, obstore {obstore.__version__}, medians of {rounds} rounds."
    )


def rows_of(compared: Compared) -> Iterator[str]:
    """The whole publication, the sending alone, and boto3."""
    where, count, size = compared.server, compared.objects, compared.size / 1e6
    ours, theirs = compared.ours, compared.theirs

    def row(name: str, walls: Sequence[float], cpu: str, server: str, ratio: str) -> str:
        wall = statistics.median(walls)
        amount = f"{count:,} | {size:.0f} | {wall:.2f} | {count / wall:.0f} | {size / wall:.0f}"
        return f"| {where.name}, {where.mode} | {name} | {amount} | {cpu} | {server} | {ratio} |"

    def both(runs: Sequence[Run]) -> tuple[str, str]:
        server = statistics.median(run.server for run in runs)
        return f"{statistics.median(run.cpu for run in runs):.2f}", f"{server:.2f}" if server else ""

    walls = [run.wall for run in theirs]
    whole, sending = [run.wall for run in ours], [run.sending for run in ours]
    yield row("publication", whole, *both(ours), f"**{ratio(walls, whole)}**")
    yield row("of it, sending", sending, "", "", ratio(walls, sending))
    yield row(f"boto3, {where.threads} threads", walls, *both(theirs), "")


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """Of the medians, and the least and most of any round."""
    each = [one / other for one, other in zip(theirs, ours, strict=True)]
    middle = statistics.median(theirs) / statistics.median(ours)
    return f"{middle:.1f} ({min(each):.1f}–{max(each):.1f})"


def most_of_others(compared: Sequence[Compared]) -> float:
    """The share of the machine that somebody else had in the worst run."""
    runs = [run for one in compared for run in (*one.ours, *one.theirs)]
    return max(run.others / (run.wall * (os.cpu_count() or 1)) for run in runs)


def rows_of_nothing(rows: Sequence[Nothing]) -> Iterator[str]:
    """A line for each; whole processes are compared with that which asks no server."""
    whole = [row for row in rows if row.what.startswith(_WHOLE)]
    for row in rows:
        median = statistics.median(row.seconds)
        times = f"{median:.3f} | {min(row.seconds):.3f} | {max(row.seconds):.3f}"
        beyond = f"{median - statistics.median(whole[0].seconds):+.2f} s" if row in whole[1:] else ""
        yield f"| {row.what} | {row.objects:,} | {row.requests} | {times} | {beyond} |"


def main() -> None:
    """Measure, and print or file the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", default="rclone,ministack,sink,distant")
    parser.add_argument("--endpoint", default="", help="address of your own server, for --servers own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--projects", type=int, default=1000)
    parser.add_argument("--wheels", type=int, default=300)
    parser.add_argument("--threads", type=int, default=16, help="threads and connections of boto3")
    parser.add_argument("--skip-refresh", action="store_true", help="time no whole processes")
    parser.add_argument(
        "--patience", type=float, default=0, help="seconds to wait for an idle machine, each time"
    )
    parser.add_argument("--markdown", type=Path, help="replace the section of this benchmark in a file")
    options = parser.parse_args()
    names = [name for name in options.servers.split(",") if name]
    with tempfile.TemporaryDirectory(prefix="mirror-bench-") as scratch:
        compared, nothing = measure(options, names, Path(scratch))
    section = report(compared, nothing, options.rounds)
    print(section)
    if options.markdown:
        old = options.markdown.read_text()
        kept = re.sub(rf"{re.escape(_TITLE)}.*?(?=\n##|\Z)", lambda _: section, old, count=1, flags=re.DOTALL)
        options.markdown.write_text(kept if _TITLE in old else f"{old.rstrip()}\n\n{section}")


def measure(
    options: argparse.Namespace, names: Sequence[str], scratch: Path
) -> tuple[list[Compared], list[Nothing]]:
    """Everything that was asked for."""
    compared, nothing = [], []
    publication = made_up(scratch / "made-up", options.projects, options.wheels)
    again = made_up(scratch / "made-up-again", _AGAIN, _AGAIN, seed=2)
    for name in names:
        try:
            with running(name, options.endpoint) as server:
                server.threads = options.threads
                compared.append(compare(server, publication, options.rounds, options.patience))
                nothing.append(publish_nothing(server, again, options.rounds))
        except pytest.skip.Exception as missing:
            raise SystemExit(f"{name}: {missing}; --servers leaves it out") from None
    if not options.skip_refresh:
        homes = [name for name in names if name in ("rclone", "ministack", "sink")]
        nothing += refresh_nothing(homes, scratch, _AGAIN, options.rounds, options.patience)
    return compared, nothing


if __name__ == "__main__":
    main()
