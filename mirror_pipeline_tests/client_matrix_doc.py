"""``docs/clients.md`` as the matrix writes it: tables from a run of every client, snippets from the code.

    python -m mirror_pipeline_tests.client_matrix_doc

takes two minutes, and a Python on which every client of the matrix runs. Text between the marked parts stays.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from mirror_pipeline.domain.snippets import snippets
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline_tests.client_matrix import MATRIX, UV_PLATFORMS, Client, compile_for, visit
from mirror_pipeline_tests.client_matrix_network import closed_network
from mirror_pipeline_tests.client_matrix_site import (
    PYTHONS,
    ROOT,
    Served,
    Visit,
    publish_example,
    served,
)

PAGE = ROOT / "docs/clients.md"
ADDRESS = "http://127.0.0.1:8080"
"""What the documentation calls a mirror."""

_PART = re.compile(r"(<!-- written by the tests: (\w+) -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
_HEAD = ("client", "version", "what is run", "pages", "`.metadata`", "sent", "asked in vain")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    client: str
    version: str
    way: str
    pages: str
    metadata: str
    sent: str
    in_vain: str


def row(client: Client, seen: Visit) -> Row:
    """What is told of a client."""
    counts = {"pages": seen.pages, ".metadata": seen.metadata, "wheels": seen.wheels}
    sent = ", ".join(f"{len(found)} {name}" for name, found in counts.items() if found)
    in_vain = ", ".join(f"`{probe}`" for probe in client.probes)
    metadata = "read" if seen.metadata else "not read"
    return Row(
        client.name, client.version, f"`{client.way}`", seen.kinds_of_pages, metadata, sent, in_vain or "—"
    )


def committed_rows() -> Mapping[str, Row]:
    """What the page tells, by client."""
    lines = within(PAGE.read_text("utf-8"), "matrix").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    rows = [Row(*line) for line in cells[2:]]
    return {f"{row.client} {row.version}: {row.way.strip('`')}": row for row in rows}


def within(text: str, part: str) -> str:
    """What stands between the marks of a part."""
    parts: dict[str, str] = {name: content for _, name, content in _PART.findall(text)}
    return parts[part]


def _replaced(text: str, parts: Mapping[str, str]) -> str:
    return _PART.sub(lambda found: f"{found[1]}{parts[found[2]]}", text)


def snippets_part() -> str:
    """What everybody is given to copy, for the address of the documentation."""
    names = dict.fromkeys(client.name for client in MATRIX)
    return "\n" + "\n".join(_snippets_of(name) for name in names)


def _snippets_of(client: str) -> str:
    parts = [
        f"{snippet.title}{f', in `{snippet.file}`' if snippet.file else ''}:\n\n"
        f"```{snippet.language}\n{snippet.text}```\n"
        for snippet in snippets(client, ADDRESS)
    ]
    return "\n".join([f"### {client}\n", *parts])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), ("---",) * len(tuple(head)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _matrix_part(mirror: Served, root: Path) -> str:
    rows = []
    for number, client in enumerate(MATRIX):
        folder = root / str(number)
        folder.mkdir()
        rows.append(row(client, visit(client, mirror, folder)))
        sys.stderr.write(f"{'  '.join(astuple(rows[-1]))}\n")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"\n{_table(_HEAD, map(astuple, rows))}\nWith CPython {python}, in {mirror.closed.how}.\n\n"


def _targets_part(mirror: Served, root: Path) -> str:
    lines = []
    for platform, name in UV_PLATFORMS.items():
        targets = [Target(PLATFORMS[platform], Python.parse(python)) for python in PYTHONS]
        outcomes = [compile_for(target, mirror, root / str(target).replace("/", "-")) for target in targets]
        counts = [
            str(sum(len(part) for part in parts))
            for parts in zip(
                *((found, seen.pages, seen.metadata, seen.wheels) for found, seen in outcomes), strict=True
            )
        ]
        lines.append((platform, f"`{name}`", f"{PYTHONS[0]}–{PYTHONS[-1]}", *counts))
    head = ("platform", "`--python-platform`", "Pythons", "pins found", "pages", "`.metadata`", "wheels")
    return f"\n{_table(head, lines)}\n"


def write() -> None:
    """Run every client and write the page anew."""
    left_out = [str(client) for client in MATRIX if not client.runs_here]
    if left_out:
        raise SystemExit(f"this Python does not run {left_out[0]}: take an older one")
    with tempfile.TemporaryDirectory(prefix="mirror-clients-") as scratch:
        root = Path(scratch)
        with closed_network() as closed, served(publish_example(root), closed) as mirror:
            parts = {"matrix": _matrix_part(mirror, root), "targets": _targets_part(mirror, root)}
    parts["snippets"] = snippets_part()
    text = _replaced(PAGE.read_text("utf-8"), parts)
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
