"""Setting values in ``config.env`` as a careful person would: every other byte stays as it is.

Which keys there are is an affair of ``settings``; here they are names. What a line means is told by the same
parser that reads the file (``config_values.parse_file``).
"""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from mirror_pipeline.adapters.files import disk_errors, write_atomically

_ASSIGNMENT = re.compile(
    r"""[ \t]*=[ \t]*?
    (?P<value>'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|(?!\s)[^\r\n]*?|)
    (?:[ \t]+\#[^\r\n]*|[ \t]*)(?=[\r\n]|$)""",
    re.VERBOSE,
)
"""From the key on. A comment begins with white space, as it does for the parser."""
_PLAIN = re.compile(r"[A-Za-z0-9._:/-]*")
"""What needs no quotes."""
_BOM = "\ufeff"


def set_values(path: Path, values: Mapping[str, str]) -> bool:
    """Set keys where they are given, else at the end, in one step; false where all had these values already.

    Of a key that is given twice the later one counts, and that one is set.
    """
    target = path.resolve()  # a link stays one
    with disk_errors(target):
        text = target.read_bytes().decode("utf-8")
        mode = stat.S_IMODE(target.stat().st_mode)
    return write_atomically(target, with_values(text, values).encode(), mode)


def with_values(text: str, values: Mapping[str, str]) -> str:
    """A configuration's text with some keys set."""
    body = text.removeprefix(_BOM)
    bindings = list(parse_stream(io.StringIO(body, newline="")))
    last = {binding.key: number for number, binding in enumerate(bindings) if binding.key}
    parts = [binding.original.string for binding in bindings]
    for key in values.keys() & last.keys():
        parts[last[key]] = _rewritten(bindings[last[key]], values[key])
    known = "".join(parts)
    missing = {key: value for key, value in values.items() if key not in last}
    return text[: len(text) - len(body)] + known + _appended(known, missing)


def _rewritten(binding: Binding, value: str) -> str:
    """A binding with another value: what stands before and behind it, and its quotes, stay."""
    original = binding.original.string
    key = re.search(rf"(?:^|[\s'])({re.escape(str(binding.key))}'?)", original)
    found = key and _ASSIGNMENT.match(original, key.end(1))
    if binding.value == value or not found:
        return original
    old = found["value"]
    new = f"{old[0]}{value}{old[0]}" if old[:1] in ("'", '"') else _quoted(value)
    return original[: found.start("value")] + new + original[found.end("value") :]


def _appended(text: str, values: Mapping[str, str]) -> str:
    if not values:
        return ""
    end = "\r\n" if "\r\n" in text else "\n"
    first = end if text and not text.endswith(("\n", "\r")) else ""
    return first + "".join(f"{key}={_quoted(value)}{end}" for key, value in values.items())


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else f"'{value}'"
