"""From bytes to a parsed document: decoding, and the ways in which a committed lock is no lock at all.

What belongs here is common to every format: a byte order mark, merge-conflict markers, a Git LFS
pointer, an error page saved as a lock, an empty file. What a document means is the readers' affair.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import tomli

from mirror_pipeline.errors import LockError

_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)
_LFS = "version https://git-lfs."
# The first line that says something tells TOML from a requirements file: a header, or a key and one ``=``.
_TOML_START = re.compile(r"""(\[|["']?[A-Za-z0-9_][A-Za-z0-9_.-]*["']?\s*=(?!=))""")
_REQUIREMENT_START = re.compile(r"(-|[A-Za-z0-9][A-Za-z0-9._-]*\s*([\[@;\\(]|[=<>!~]=|[<>]|$))")

Syntax = Literal["toml", "json", "requirements"]


def decode(content: bytes, path: str) -> str:
    """Text of a lock file; refuses what cannot be one, naming the line where that helps."""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise LockError(f"{path}:{line}: not UTF-8 text", lock=path, line=line) from None
    _refuse_what_is_no_lock(text, path)
    return text


def _refuse_what_is_no_lock(text: str, path: str) -> None:
    start = text.lstrip()[:200].lower()
    if not start:
        raise LockError(f"{path}: the file is empty", lock=path, hint="restore it, or lock again")
    if start.startswith(_LFS):
        raise LockError(
            f"{path}: this is a Git LFS pointer, not the lock", lock=path, hint="run 'git lfs pull' first"
        )
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise LockError(f"{path}: this is a web page, not a lock", lock=path, hint="download it again")
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        raise LockError(
            f"{path}:{line}: merge-conflict marker {conflict.group(1)}",
            lock=path,
            line=line,
            hint="resolve the conflict and lock again",
        )


def parse_toml(content: bytes, path: str) -> Mapping[str, Any]:
    """A TOML document; a syntax error names the line and what stands wrong there."""
    text = decode(content, path)
    try:
        return tomli.loads(text)
    except ValueError as error:  # syntax, and numbers beyond what Python converts
        line = getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else path
        raise LockError(
            f"{where}: not valid TOML: {error}", lock=path, line=line, hint="was the file cut short?"
        ) from None
    except RecursionError:
        raise LockError(f"{path}: nested too deeply to be a lock", lock=path) from None


def parse_json(content: bytes, path: str) -> Mapping[str, Any]:
    """A JSON object; a key given twice is refused, since a reader of either value could be wrong."""
    text = decode(content, path)
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: _without_duplicates(pairs, path))
    except json.JSONDecodeError as error:
        raise LockError(
            f"{path}:{error.lineno}: not valid JSON: {error.msg}",
            lock=path,
            line=error.lineno,
            hint="was the file cut short?",
        ) from None
    except (RecursionError, ValueError) as error:
        raise LockError(f"{path}: not valid JSON: {type(error).__name__}", lock=path) from None
    if not isinstance(document, Mapping):
        raise LockError(f"{path}: expected a JSON object", lock=path)
    return document


def _without_duplicates(pairs: Sequence[tuple[str, Any]], path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            problem = f"the key {key!r} is given twice (a merge gone wrong?)"
            raise LockError(f"{path}: {problem}", lock=path, key=key)
        found[key] = value
    return found


def syntax_of(text: str, path: str) -> Syntax:
    """What a text is written in, told by its first line that says something; by the name only in doubt."""
    said = (line.strip() for line in text.splitlines())
    first = next((line for line in said if line and not line.startswith("#")), "")
    if first.startswith("{"):
        return "json"
    if _TOML_START.match(first):
        return "toml"
    in_doubt = path.endswith((".toml", ".lock"))
    return "toml" if in_doubt and not _REQUIREMENT_START.match(first) else "requirements"


def parse(content: bytes, path: str) -> tuple[Syntax, Any]:
    """A file's syntax, and the document that it parses to: for requirements the text itself."""
    text = decode(content, path)
    syntax = syntax_of(text, path)
    if syntax == "requirements":
        return syntax, text
    return syntax, (parse_json if syntax == "json" else parse_toml)(content, path)
