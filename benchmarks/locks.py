"""How long reading a lock and selecting from it takes, and how that grows with the number of packages.

    python benchmarks/locks.py [LOCK ...] [--sizes 275,550,1100,2200] [--pythons 3.11,3.12,3.13]

Without arguments the locks are made up: uv and poetry 2.0 (a graph that is walked per target), poetry 2.1 and
pylock (conditions per package), Pipfile.lock and requirements (hashes only), each package with five files and
a few dependencies, some of them under a marker. Reading is from bytes to the parsed lock; selecting is the
whole plan for all nine platforms: the walk, wheel tags, gaps; markers are those of the requirement files.
Times are medians of five runs in one process, with nothing kept in between.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mirror_pipeline.adapters.projects import load_projects
from mirror_pipeline.domain import artifact
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, everything
from mirror_pipeline.domain.plan import Wanted, make_plan
from mirror_pipeline.domain.target import NOARCH, PLATFORMS, Python
from mirror_pipeline.lockfiles import formats, markers
from mirror_pipeline.lockfiles.project_files import ProjectFiles

_RUNS = 5
_TAGS = (
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp312-cp312-macosx_11_0_arm64",
    "cp312-cp312-win_amd64",
    "py3-none-any",
)
_MARKERS = ("sys_platform == 'win32'", "python_full_version < '3.12'", "sys_platform != 'darwin'")


@dataclass(frozen=True)
class Timed:
    """Seconds that one lock took."""

    lock: str
    packages: int
    reading: float
    selecting: float
    writing: float

    @property
    def together(self) -> float:
        """What the plan takes: reading and selecting."""
        return self.reading + self.selecting


def dependencies(number: int, count: int) -> Iterator[tuple[str, str]]:
    """Names and markers of what a package needs: always of later ones, so that there is no circle."""
    for step in (1, 7, 31):
        if number + step < count:
            marker = _MARKERS[(number + step) % 3] if (number * step) % 3 == 0 else ""
            yield f"package-{number + step:05}", marker


def files(number: int) -> Iterator[tuple[str, str]]:
    """Names and digests of a package's files."""
    stem = f"package_{number:05}-1.0"
    for name in (*(f"{stem}-{tag}.whl" for tag in _TAGS), f"{stem}.tar.gz"):
        yield name, hashlib.sha256(name.encode()).hexdigest()


def uv_lock(count: int) -> str:
    """A uv.lock whose project wants every tenth package."""
    source = 'source = { registry = "https://index.example/simple" }'
    parts = ['version = 1\nrevision = 3\nrequires-python = ">=3.11"\n']
    wanted = "".join(f'    {{ name = "package-{number:05}" }},\n' for number in range(0, count, 10))
    parts.append(
        '[[package]]\nname = "shop"\nversion = "1.0"\nsource = { virtual = "." }\n'
        f"dependencies = [\n{wanted}]\n"
    )
    for number in range(count):
        needs = "".join(
            f'    {{ name = "{name}"{f", marker = {json.dumps(marker)}" if marker else ""} }},\n'
            for name, marker in dependencies(number, count)
        )
        locked = [
            f'{{ url = "https://files.example/{name}", hash = "sha256:{digest}", size = 1000 }}'
            for name, digest in files(number)
        ]
        wheels = "".join(f"    {entry},\n" for entry in locked[:-1])
        parts.append(
            f'[[package]]\nname = "package-{number:05}"\nversion = "1.0"\n{source}\n'
            f"dependencies = [\n{needs}]\nsdist = {locked[-1]}\nwheels = [\n{wheels}]\n"
        )
    return "\n".join(parts)


def poetry_lock(count: int, version: str) -> str:
    """A poetry.lock of a format that records the graph (2.0) or groups and markers (2.1)."""
    parts = []
    for number in range(count):
        needs = "".join(
            f"{name} = {{version = '*', markers = {json.dumps(marker)}}}\n" if marker else f'{name} = "*"\n'
            for name, marker in dependencies(number, count)
        )
        locked = "".join(
            f'    {{file = "{name}", hash = "sha256:{digest}"}},\n' for name, digest in files(number)
        )
        static = 'groups = ["main"]\n' if version == "2.1" else ""
        if version == "2.1" and number % 3 == 0:
            static += f"markers = {json.dumps(_MARKERS[number % 9 // 3])}\n"
        parts.append(
            f'[[package]]\nname = "package-{number:05}"\nversion = "1.0"\noptional = false\n{static}'
            f'python-versions = "*"\nfiles = [\n{locked}]\n\n[package.dependencies]\n{needs}'
        )
    parts.append(f'[metadata]\nlock-version = "{version}"\npython-versions = ">=3.11"\ncontent-hash = "0"\n')
    return "\n".join(parts)


def pipfile_lock(count: int) -> str:
    """A Pipfile.lock."""
    section = {
        f"package-{number:05}": {
            "hashes": [f"sha256:{digest}" for _, digest in files(number)],
            "version": "==1.0",
            **({"markers": _MARKERS[number % 3]} if number % 2 else {}),
        }
        for number in range(count)
    }
    return json.dumps({"_meta": {"pipfile-spec": 6, "requires": {}, "sources": []}, "default": section})


def pylock(count: int) -> str:
    """A pylock.toml."""
    parts = ['lock-version = "1.0"\ncreated-by = "shop"\n']
    for number in range(count):
        locked = [
            f'{{ url = "https://files.example/{name}", size = 1000, hashes = {{ sha256 = "{digest}" }} }}'
            for name, digest in files(number)
        ]
        marker = f"marker = {json.dumps(_MARKERS[number % 3])}\n" if number % 2 else ""
        parts.append(
            f'[[packages]]\nname = "package-{number:05}"\nversion = "1.0"\n{marker}'
            f"sdist = {locked[-1]}\nwheels = [{', '.join(locked[:-1])}]\n"
        )
    return "\n".join(parts)


def requirements(count: int) -> str:
    """A requirements file with hashes."""
    return "".join(
        f"package-{number:05}==1.0{f' ; {_MARKERS[number % 3]}' if number % 2 else ''}"
        + "".join(f" \\\n    --hash=sha256:{digest}" for _, digest in files(number))
        + "\n"
        for number in range(count)
    )


def pyproject(count: int) -> str:
    """What the project of a poetry lock wants: every tenth package."""
    wanted = "".join(f'package-{number:05} = "*"\n' for number in range(0, count, 10))
    return f'[tool.poetry]\nname = "shop"\n\n[tool.poetry.dependencies]\npython = ">=3.11"\n{wanted}'


def made_up(count: int) -> Iterator[ProjectFiles]:
    """One project per format."""
    own = pyproject(count).encode()
    for name, text in (
        ("uv.lock", uv_lock(count)),
        ("poetry.lock 2.0", poetry_lock(count, "2.0")),
        ("poetry.lock 2.1", poetry_lock(count, "2.1")),
        ("pylock.toml", pylock(count)),
        ("Pipfile.lock", pipfile_lock(count)),
        ("requirements.txt", requirements(count)),
    ):
        yield ProjectFiles(name, "", name, {name: text.encode(), "pyproject.toml": own})


def forget() -> None:
    """Empty what is kept between runs."""
    for kept in (formats._read, markers._parsed, artifact.wheel_tags):  # noqa: SLF001 - caches are private
        kept.cache_clear()


def timed(project: ProjectFiles, pythons: Sequence[Python]) -> Timed:
    """Read and select several times over."""
    reading, selecting, writing = [], [], []
    for _ in range(_RUNS):
        forget()
        started = time.perf_counter()
        lock = formats.read_lock(project)
        reading.append(time.perf_counter() - started)
        selecting.append(seconds(partial(plan, lock, pythons)))
        writing.append(seconds(partial(pin_conditions, lock, everything(lock))))
    return Timed(project.name, len(lock.pins), *map(statistics.median, (reading, selecting, writing)))


def plan(lock: Lock, pythons: Sequence[Python]) -> None:
    """Everything in the lock, for every platform."""
    make_plan([Wanted(lock, everything(lock), tuple(pythons))], (*PLATFORMS, NOARCH), offline=True)


def seconds(work: Callable[[], object]) -> float:
    """The seconds that something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def table(rows: Sequence[Timed], pythons: Sequence[Python]) -> str:
    """The rows as Markdown."""
    head = (
        f"{platform.python_implementation()} {platform.python_version()}, {len(PLATFORMS) + 1} platforms × "
        f"{len(pythons)} Pythons, median of {_RUNS} runs\n\n"
        "| lock | packages | reading | selecting | both | per package | markers |\n"
        "|---|--:|--:|--:|--:|--:|--:|\n"
    )
    return head + "".join(
        f"| {row.lock} | {row.packages} | {row.reading:.2f} s | {row.selecting:.2f} s "
        f"| {row.together:.2f} s | {row.together / row.packages * 1e3:.2f} ms | {row.writing:.2f} s |\n"
        for row in rows
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("locks", nargs="*", type=Path, help="lock files or projects, instead of made-up ones")
    parser.add_argument("--sizes", default="275,550,1100,2200")
    parser.add_argument("--pythons", default="3.11,3.12,3.13")
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args()
    pythons = [Python.parse(text) for text in asked.pythons.split(",")]
    given = load_projects(asked.locks)
    sizes = [int(size) for size in asked.sizes.split(",")]
    projects = given or [project for size in sizes for project in made_up(size)]
    rows = sorted((timed(project, pythons) for project in projects), key=lambda row: (row.lock, row.packages))
    text = table(rows, pythons)
    print(text)
    if asked.markdown:
        asked.markdown.write_text(text)


if __name__ == "__main__":
    main()
