"""The lines of a requirements file (pip's format): joined, without comments, taken apart into options.

What belongs here is the grammar of lines; what a requirement means is ``requirements_entry``'s affair,
which files are included ``requirements_sets``'. Options are taken apart by ``optparse``, as pip does it,
so that all of its spellings are known (``-rbase.txt``, ``--requirement=base.txt``). Environment variables
stay as they are written.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from optparse import OptionParser
from typing import NoReturn

from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.locations import redacted

_COMMENT = re.compile(r"(^|(?<=\s))#.*$")
_OPTIONS = re.compile(r"(^|(?<=\s))-")
_EDITABLE = re.compile(r"(-e\s*|--editable(=|\s+))(?P<rest>.*)$")

_READ = (
    (("-r", "--requirement"), "requirements"),
    (("-c", "--constraint"), "constraints"),
    (("-i", "--index-url", "--pypi-url"), "indexes"),
    (("--extra-index-url",), "extra_indexes"),
    (("-f", "--find-links"), "find_links"),
    (("--hash",), "hashes"),
)
"""Options that say something here."""
_IGNORED = (
    "--no-binary", "--only-binary",  # what is mirrored is for MIRROR_SDISTS to say
    "--all-releases", "--only-final",  # every version is pinned
    "--trusted-host",  # whom to trust is not for a lock to say
    "--use-feature", "--global-option", "--install-option", "--config-setting", "--config-settings",
)  # fmt: skip
_IGNORED_FLAGS = (
    "--require-hashes", "--no-require-hashes",  # pins without hashes are refused unless MIRROR_ALLOW_UNHASHED
    "--pre", "--prefer-binary",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, without its comment. ``number`` is that of its first physical line.

    ``requirement`` is what stands before the options; '' where there are options only.
    """

    path: str
    number: int
    requirement: str = ""
    editable: bool = False
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    extra_indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    hashes: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.path}:{self.number}"

    def error(self, problem: str, *, hint: str = "", package: str | None = None) -> LockError:
        """The error to raise about this line."""
        return LockError(
            f"{self.place}: {problem}", hint=hint, lock=self.path, line=self.number, package=package
        )


def lines_of(text: str, path: str) -> Iterator[Line]:
    """The lines that say something; an unknown option, or one that is cut short, is a ``LockError``."""
    parser = _parser()
    for number, line, unfinished in _joined(text):
        if unfinished:
            raise Line(path, number).error(
                "goes on after the end of the file", hint="was the file cut short?"
            )
        if said := _COMMENT.sub("", line).strip():
            yield _taken_apart(said, path, number, parser)


def included(text: str, name: str) -> tuple[str, ...]:
    """Names of the files that a file includes, relative as ``name`` is; lines that are wrong include none."""
    parser = _parser()
    found: dict[str, None] = {}
    for number, line, _ in _joined(text):
        try:
            said = _taken_apart(_COMMENT.sub("", line).strip(), name, number, parser)
        except LockError:
            continue
        found.update(dict.fromkeys(beside(name, other) for other in (*said.requirements, *said.constraints)))
    return tuple(other for other in found if _may_be_a_file(other))


def beside(name: str, other: str) -> str:
    """A file as another one names it, relative to where that other lies; a URL stays as it is."""
    if is_remote(other):
        return other
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), other))


def _may_be_a_file(name: str) -> bool:
    """Whether an operating system can be asked for it at all."""
    parts = name.split("/")
    return not is_remote(name) and "\0" not in name and max(len(part.encode()) for part in parts) < 256


def is_remote(name: str) -> bool:
    """Whether an include is a URL, which a reader does not follow."""
    return re.match(r"(https?|file):", name, re.IGNORECASE) is not None


def _joined(text: str) -> Iterator[tuple[int, str, bool]]:
    """Logical lines: the number of the first physical one, the text, and whether more was to come.

    A backslash at its end joins a line to the next one; a line of comment is the end of what was joined.
    """
    start, parts = 0, list[str]()
    for number, line in enumerate(text.rstrip().splitlines(), start=1):
        start = start if parts else number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line.rstrip("\\"))
            continue
        yield start, "".join((*parts, " " if is_comment else "", line)), False
        parts.clear()
    if parts:
        yield start, "".join(parts), True


class _OptionError(Exception):
    pass


class _Parser(OptionParser):
    """Refuses by an exception where ``optparse`` would print and exit."""

    def error(self, msg: str) -> NoReturn:
        raise _OptionError(msg)


def _parser() -> OptionParser:
    parser = _Parser(add_help_option=False, usage="")
    for spellings, name in _READ:
        parser.add_option(*spellings, dest=name, action="append")
    for spelling in _IGNORED:
        parser.add_option(spelling, dest="ignored", action="append")
    parser.add_option("-C", dest="ignored", action="append")
    parser.add_option("--no-index", dest="no_index", action="store_true")
    for spelling in _IGNORED_FLAGS:
        parser.add_option(spelling, dest="ignored_flag", action="store_true")
    return parser


def _taken_apart(text: str, path: str, number: int, parser: OptionParser) -> Line:
    bare = Line(path, number)
    editable = _EDITABLE.match(text)
    said = editable["rest"] if editable else text
    options = _OPTIONS.search(said)
    requirement = (said[: options.start()] if options else said).strip()
    if editable and not requirement:
        raise bare.error("-e without a project", hint="was the file cut short?")
    values = _values(said[options.start() :], bare, parser) if options else {}
    found = {name: tuple(values.get(name) or ()) for _, name in _READ}
    if found["hashes"] and not requirement:
        raise bare.error(
            "a hash without a requirement", hint="is a \\ missing at the end of the line before?"
        )
    return Line(
        path, number, requirement, editable is not None, no_index=bool(values.get("no_index")), **found
    )


def _words(options: str) -> list[str]:
    """What a shell makes of options; most have nothing quoted, and the shell's grammar is slow."""
    quoted = any(character in options for character in "\"'\\")
    return shlex.split(options) if quoted else options.split()


def _values(options: str, line: Line, parser: OptionParser) -> dict[str, list[str] | None]:
    try:
        words = _words(options)
        values, rest = parser.parse_args(words)
    except _OptionError as error:
        raise line.error(redacted(str(error)), hint="was the file cut short?") from None
    except ValueError:
        raise line.error("a quotation mark without its counterpart") from None
    for word in (*rest, *(word for word in words if word == "--")):
        raise line.error(f"{redacted(word)!r} does not belong among options", hint="was the file cut short?")
    return vars(values)
