"""How a mirror grows: each phase with 1,000 and with 10,000 projects, and a refresh that finds nothing to do.

    python benchmarks/growth.py [--sizes 1000,10000] [--rounds 3] [--json] [--markdown docs/benchmarks.md]

The projects are made up (``mirror_pipeline_tests.crowds``), with valid wheels of a kilobyte, a uv.lock and an
upstream on the loopback interface, which is a process of its own; the seconds of CPU that it took of the same
cores are shown. Every phase runs in a process of its own, so that its memory is its own; its time is without
the start of Python, its CPU with that of the installer that verification starts. The rows of whole processes
are what a user waits for, start and all, the no-op the median of several rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from upstream import cpu_of, run_upstream

_READ, _PLAN, _FETCH, _INDEX = "lock and requirements", "plan", "fetch", "index"
_PUBLISH, _VERIFY = "publish", "verify"
_PHASES = (_READ, _PLAN, _FETCH, _INDEX, _PUBLISH, _VERIFY)
_ALL, _NOTHING = "`refresh`, whole process, all files there", "`refresh`, whole process, no-op"
_TABLE = re.compile(r"### Growth: .*\n\n.*\n\n(?:\|.*\n)+")
_MOST_OF_NOTHING = 10.0
"""Seconds that a no-op may take."""


@dataclass(frozen=True)
class Row:
    """One phase or process at one size. ``upstream`` is what the server took of the CPU meanwhile."""

    what: str
    projects: int
    files: int
    wall: float
    cpu: float
    upstream: float
    peak: float


# One phase, in a process of its own.


def run_phase(name: str, config: Path) -> Mapping[str, Any]:
    """Run a phase on what the ones before it left, and say what that took."""
    from mirror_pipeline.cli import collect_less
    from mirror_pipeline.configuration import load_settings
    from mirror_pipeline.phases.mirror import Mirror, build_mirror

    mirror: Mirror = build_mirror(load_settings({}, config))
    work = phases()[name]
    collect_less()
    cpu, started = cpu_here(), time.perf_counter()
    work(mirror)
    wall = time.perf_counter() - started
    return {"wall": wall, "cpu": cpu_here() - cpu, "peak": peak_here()}


def phases() -> Mapping[str, Callable[[Any], object]]:
    """Everything that a phase imports is imported here, before the clock runs."""
    from mirror_pipeline.adapters import server  # noqa: F401 - what verification starts
    from mirror_pipeline.phases.index import make_index
    from mirror_pipeline.phases.lock import take_snapshot
    from mirror_pipeline.phases.publication import publish
    from mirror_pipeline.phases.requirements import make_requirements
    from mirror_pipeline.phases.verification import verify
    from mirror_pipeline.phases.wheel_plan import plan_platform
    from mirror_pipeline.phases.wheels import gather_wheels

    def verified(mirror: Any) -> None:
        report = verify(mirror).report
        assert report.passed, report.findings[:3]

    return {
        _READ: lambda mirror: (take_snapshot(mirror), make_requirements(mirror)),
        _PLAN: lambda mirror: [plan_platform(mirror, name) for name in mirror.settings.platforms],
        _FETCH: lambda mirror: [gather_wheels(mirror, name) for name in mirror.settings.platforms],
        _INDEX: make_index,
        _PUBLISH: publish,
        _VERIFY: verified,
    }


def cpu_here() -> float:
    """Seconds of CPU of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_here() -> float:
    """Megabytes. Linux tells it of this program; elsewhere what started it counts from its own size on."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    if found:
        return int(found[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def prepare(count: int, index: str, folder: Path) -> Mapping[str, Any]:
    """Write the project and its configuration."""
    from mirror_pipeline_tests.crowds import make_crowd

    crowd = make_crowd(count)
    (folder / "crowd").mkdir()
    (folder / "crowd" / "uv.lock").write_text(crowd.lock(index))
    (folder / "config.env").write_text(
        f"ORBIT_PROJECT=crowd\nMIRROR_INDEX_URL={index}\nMIRROR_EXTRA_INDEX_URLS=\n"
        "MIRROR_PYTHONS=3.11,3.12,3.13,3.14\n"
    )
    return {"files": len(list(crowd.dists))}


# All of them.


def measured(count: int, rounds: int) -> Iterator[Row]:
    """Every phase with so many projects, then the command as a whole."""
    with (
        tempfile.TemporaryDirectory(prefix="mirror-growth-") as scratch,
        run_upstream(free_port(), count) as url,
    ):
        folder = Path(scratch)
        config = folder / "config.env"
        files = myself("--prepare", count, f"{url}/simple/", folder)["files"]
        for name in _PHASES:
            before = cpu_of(url)
            took = myself("--phase", name, config)
            yield told(Row(name, count, files, upstream=cpu_of(url) - before, **took))
        yield told(Row(_ALL, count, files, upstream=0.0, **refreshed(config, 15)))
        nothing = [refreshed(config, 0) for _ in range(rounds)]
        middle = {key: statistics.median(took[key] for took in nothing) for key in nothing[0]}
        yield told(Row(_NOTHING, count, files, upstream=0.0, **middle))


def myself(*arguments: object) -> Mapping[str, Any]:
    """This script as another process."""
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True)
    answer: Mapping[str, Any] = json.loads(done.stdout)
    return answer


def refreshed(config: Path, recomputed: int) -> Mapping[str, float]:
    """``mirror-pipeline refresh`` as a whole process, which has to recompute so many asset partitions."""
    command = [sys.executable, "-m", "mirror_pipeline", "refresh", "--json", "--config", str(config)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        assert process.returncode == 0, errors.read()[-2000:]
        found = len(json.load(output)["recomputed"])
        assert found == recomputed, f"{found} recomputed, expected {recomputed}"
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / scale}


def environment() -> Mapping[str, str]:
    """Without settings and proxies of this machine."""
    ours = ("MIRROR_", "ORBIT_", "DAGSTER_", "BUCKET_", "PIP_")
    return {
        k: v for k, v in os.environ.items() if not k.startswith(ours) and not k.lower().endswith("_proxy")
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def told(row: Row) -> Row:
    """The same row; whoever waits is told."""
    print(f"{row.projects} projects, {row.what}: {row.wall:.2f} s, {row.peak:.0f} MB", file=sys.stderr)
    return row


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown section: one line per phase, the sizes beside each other."""
    sizes = sorted({row.projects for row in rows})
    files = {row.projects: row.files for row in rows}
    crowds = " and ".join(f"{size:,} projects with {files[size]:,} files" for size in sizes)
    version = platform.python_version()
    head = "".join(f" {size:,}: wall s | ms/file | CPU s | upstream's | peak MB |" for size in sizes)
    lines = [
        f"### Growth: {time.strftime('%Y-%m-%d')}",
        "",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, CPython {version}; {crowds}.",
        "",
        f"| what |{head} × wall | × CPU | × memory |",
        f"|---|{'--:|' * (5 * len(sizes) + 3)}",
    ]
    for what in dict.fromkeys(row.what for row in rows):
        found = {row.projects: row for row in rows if row.what == what}
        small, large = found[sizes[0]], found[sizes[-1]]
        cells = "".join(cells_of(found[size]) for size in sizes)
        ratios = (large.wall / small.wall, large.cpu / small.cpu, large.peak / small.peak)
        lines.append(f"| {what} |{cells}" + "".join(f" {ratio:.1f} |" for ratio in ratios))
    return "\n".join([*lines, ""])


def cells_of(row: Row) -> str:
    """What is told of one phase at one size."""
    upstream = f"{row.upstream:.1f}" if row.upstream >= 0.05 else ""
    return (
        f" {row.wall:.2f} | {row.wall / row.files * 1e3:.2f} | {row.cpu:.2f} | {upstream} | {row.peak:.0f} |"
    )


def main() -> None:
    """The command."""
    if sys.argv[1:2] == ["--phase"]:
        print(json.dumps(run_phase(sys.argv[2], Path(sys.argv[3]))))
        return
    if sys.argv[1:2] == ["--prepare"]:
        print(json.dumps(prepare(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--rounds", type=int, default=3, help="of the no-op, the median counts")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, help="replace the table in a file")
    asked = parser.parse_args()
    rows = [row for size in asked.sizes.split(",") for row in measured(int(size), asked.rounds)]
    section = table(rows)
    print(json.dumps([asdict(row) for row in rows], indent=1) if asked.json else section)
    if asked.markdown:
        old = asked.markdown.read_text()
        kept = _TABLE.sub(lambda _: section, old)
        asked.markdown.write_text(kept if "### Growth: " in old else f"{old.rstrip()}\n\n{section}")
    slow = [row for row in rows if row.what == _NOTHING and row.wall > _MOST_OF_NOTHING]
    if slow:
        raise SystemExit(f"the no-op took {slow[-1].wall:.1f} s, more than {_MOST_OF_NOTHING:.0f} s")


if __name__ == "__main__":
    main()
