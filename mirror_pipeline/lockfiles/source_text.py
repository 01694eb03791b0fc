"""From bytes to a parsed document: decoding, and the ways in which a committed lock is no lock at all.

What belongs here is common to every format: a byte order mark, merge-conflict markers, a Git LFS
pointer, an error page saved as a lock, an empty file. What a document means is the readers' affair.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Any

import tomli

from mirror_pipeline.errors import LockError

_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)
_LFS = "version https://git-lfs."


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
