"""How long a mirror takes: cold, no-op and after a one-file change, beside a bare fetch and ``pip download``.

    python benchmarks/mirror.py PROJECT [--pythons 3.11] [--skip-pip] [--markdown docs/benchmarks.md]

Everything is timed in the same run, as whole processes, against the upstream that pip is configured with.
The bare fetch downloads the same files with asyncio and many connections and does nothing else with them;
``pip download`` runs once per platform with the pins that apply there. Needs the ``bench`` extra (aiohttp).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PIP_PLATFORMS = {
    "linux-x86_64": ["manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64"],
    "linux-aarch64": ["manylinux_2_28_aarch64", "manylinux2014_aarch64"],
    "macos-arm64": ["macosx_14_0_arm64", "macosx_11_0_arm64", "macosx_10_9_universal2"],
    "windows-amd64": ["win_amd64"],
}
_BARE = "bare asyncio fetch of the same files"


@dataclass(frozen=True)
class Measured:
    """One timed process: seconds of wall time and CPU, megabytes of peak memory."""

    what: str
    wall: float
    cpu: float
    peak: float
    note: str


def timed(
    what: str, command: Sequence[str], cwd: Path, allowed: Sequence[int] = (0, 1)
) -> tuple[Measured, str]:
    """Run a command to its end; its own resource usage comes from the operating system."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.PIPE, text=True)
        _, errors = process.stderr, process.stderr.read() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        output.seek(0)
        text = output.read()
    if process.returncode not in allowed:
        raise SystemExit(f"{what}: {' '.join(command)} ended with {process.returncode}\n{errors[-2000:]}")
    scale = 1e6 if sys.platform == "darwin" else 1e3
    measured = Measured(what, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale, "")
    print(f"{what}: {wall:.2f} s", file=sys.stderr)
    return measured, text


def mirror(home: Path, *arguments: str) -> list[str]:
    """A mirror-pipeline command line."""
    return [
        sys.executable,
        "-m",
        "mirror_pipeline",
        *arguments,
        "--json",
        "--config",
        str(home / "config.env"),
    ]


def noted(measured: Measured, note: str) -> Measured:
    """The measurement with a remark."""
    return Measured(measured.what, measured.wall, measured.cpu, measured.peak, note)


def bench_mirror(home: Path, lock: Path) -> list[Measured]:
    """Cold, no-op, and a change of one file."""
    rows = []
    measured, text = timed("mirror, cold", mirror(home, "refresh"), home)
    cold = json.loads(text)
    rows.append(
        noted(
            measured, f"{cold['downloaded_files']} files, {cold['downloaded_bytes'] / 1e6:.0f} MB, verified"
        )
    )
    measured, text = timed("mirror, no-op", mirror(home, "refresh"), home)
    rows.append(noted(measured, f"{len(json.loads(text)['recomputed'])} recomputed"))
    original, name = lock.read_text(), one_wheel(home)
    lock.write_text("".join(line for line in original.splitlines(True) if f'"{name}"' not in line))
    timed("(a lock without one wheel)", mirror(home, "refresh"), home)
    (home / "mirror" / "packages" / name).unlink()
    lock.write_text(original)
    measured, text = timed("mirror, one file changed", mirror(home, "refresh"), home)
    changed = json.loads(text)
    rows.append(
        noted(measured, f"{changed['downloaded_files']} file, {len(changed['recomputed'])} recomputed")
    )
    return rows


def plan_of(home: Path) -> dict[str, dict[str, list[dict[str, str]]]]:
    """The plan's platforms."""
    _, text = timed("(plan)", mirror(home, "plan", "--offline"), home)
    platforms: dict[str, dict[str, list[dict[str, str]]]] = json.loads(text)["platforms"]
    return platforms


def one_wheel(home: Path) -> str:
    """The smallest Windows wheel."""
    files = [item["file"] for item in plan_of(home)["windows-amd64"]["artifacts"]]
    return min(files, key=lambda file: (home / "mirror" / "packages" / file).stat().st_size)


def bench_pip(home: Path, python: str) -> list[Measured]:
    """``pip download`` once per platform, without dependency resolution, from the pins that apply there."""
    _, text = timed("(targets)", mirror(home, "plan", "--offline"), home)
    rows = []
    for target, pins in json.loads(text)["targets"].items():
        name = target.partition("/")[0]
        if name not in _PIP_PLATFORMS:
            continue
        wanted = home / f"pip-{name}.txt"
        wanted.write_text("\n".join({pin.partition("==")[0]: pin for pin in pins}.values()))
        tags = [option for tag in _PIP_PLATFORMS[name] for option in ("--platform", tag)]
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir",
            "--only-binary", ":all:", "--python-version", python, *tags,
            "--dest", str(home / "pip" / name), "--requirement", str(wanted),
        ]  # fmt: skip
        measured, _ = timed(f"pip download, {name}", command, home, allowed=(0, 1))
        count = len(list((home / "pip" / name).glob("*.whl"))) if (home / "pip" / name).is_dir() else 0
        rows.append(noted(measured, f"{count} of {len(pins)} files"))
    shutil.rmtree(home / "pip", ignore_errors=True)
    return rows


def bench_bare(home: Path) -> Measured:
    """Fetch the same files with nothing but asyncio, in a process of its own."""
    plan, listing = home / "plan.json", home / "urls.json"
    plan.write_text(json.dumps(plan_of(home)))
    timed("(their addresses)", myself("--locate", plan, listing), home, allowed=(0,))
    measured, text = timed(_BARE, myself("--bare", listing, home), home, allowed=(0,))
    return noted(measured, f"{text.strip()}; no pages, no hashes, nothing kept")


def myself(*arguments: object) -> list[str]:
    """This script as another process: the peak memory of a child counts from its parent's on."""
    return [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]


def locate(plan: Path, listing: Path) -> None:
    """Write down where upstream has the files of a plan, and their sizes."""
    from mirror_pipeline.adapters.fetching import Fetcher
    from mirror_pipeline.domain.artifact import Artifact

    artifacts = [
        Artifact(item["file"], item["sha256"], item["project"], item["version"])
        for part in json.loads(plan.read_text()).values()
        for item in part["artifacts"]
    ]
    found = Fetcher(None, None, 16).locate(artifacts)
    listing.write_text(
        json.dumps([[fact.url, found.sizes.get(file, 0)] for file, fact in found.facts.items()])
    )


async def fetch_bare(listing: Path, folder: Path) -> None:
    """16 connections, streamed to one scratch file each, longest first."""
    import aiohttp

    from mirror_pipeline.adapters.pip_config import read_pip_config

    urls = [url for url, _ in sorted(json.loads(listing.read_text()), key=lambda item: -item[1])]
    context = ssl.create_default_context(cafile=read_pip_config().ca_bundle)
    done = {"files": 0, "bytes": 0}
    async with aiohttp.ClientSession(
        trust_env=True, connector=aiohttp.TCPConnector(limit=16, ssl=context)
    ) as session:

        async def worker(number: int) -> None:
            with (folder / f"bare-{number}").open("wb") as scratch:
                while urls:
                    async with session.get(urls.pop(0)) as answer:
                        answer.raise_for_status()
                        async for chunk in answer.content.iter_chunked(1 << 18):
                            done["bytes"] += scratch.write(chunk)
                    done["files"] += 1

        await asyncio.gather(*(worker(number) for number in range(16)))
    print(f"{done['files']} files, {done['bytes'] / 1e6:.0f} MB")


def report(rows: Sequence[Measured], project: Path, pythons: str) -> str:
    """A Markdown section."""
    pip = [row for row in rows if row.what.startswith("pip")]
    lines = [
        f"### {project.name}, CPython {pythons}: {time.strftime('%Y-%m-%d')}",
        "",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}.",
        "",
        "| what | wall s | CPU s | peak MB | |",
        "|---|---:|---:|---:|---|",
        *(f"| {row.what} | {row.wall:.1f} | {row.cpu:.1f} | {row.peak:.0f} | {row.note} |" for row in rows),
    ]
    if pip:
        wall, cpu, peak = (
            sum(row.wall for row in pip),
            sum(row.cpu for row in pip),
            max(row.peak for row in pip),
        )
        lines.append(
            f"| pip download, all platforms | {wall:.1f} | {cpu:.1f} | {peak:.0f} | wheels, no index |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, and print or file the table."""
    if sys.argv[1:2] == ["--locate"]:
        locate(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--bare"]:
        asyncio.run(fetch_bare(Path(sys.argv[2]), Path(sys.argv[3])))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", type=Path)
    parser.add_argument("--pythons", default="3.11")
    parser.add_argument("--skip-pip", action="store_true")
    parser.add_argument("--markdown", type=Path, help="replace the section of this project in a file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mirror-bench-") as scratch:
        home, project = Path(scratch), Path(scratch) / options.project.resolve().name
        shutil.copytree(options.project, project, copy_function=shutil.copyfile)
        (home / "config.env").write_text(f"ORBIT_PROJECT={project.name}\nMIRROR_PYTHONS={options.pythons}\n")
        project.chmod(0o755)
        rows = [bench_bare(home), *bench_mirror(home, project / "poetry.lock")]
        rows += [] if options.skip_pip else bench_pip(home, options.pythons.split(",")[0])
    section = report(rows, options.project.resolve(), options.pythons)
    print(section)
    if options.markdown:
        old = options.markdown.read_text() if options.markdown.is_file() else "# Benchmarks\n"
        kept = re.sub(
            rf"### {re.escape(options.project.resolve().name)}, CPython.*?(?=\n### |\Z)", "", old, flags=re.S
        )
        options.markdown.write_text(f"{kept.rstrip()}\n\n{section}")


if __name__ == "__main__":
    main()
