"""Typed access to parsed documents, with errors that name the place: ``package[3].files[0].hash``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from mirror_pipeline.errors import LockError

_LONGEST = 200
"""Characters of a wrong value that a message repeats."""


class Table:
    """A mapping of a document and the path that leads to it."""

    __slots__ = ("_values", "lock", "path")

    def __init__(self, values: object, lock: str, path: str = "") -> None:
        self.lock, self.path = lock, path
        if not isinstance(values, Mapping):
            raise self.error("", f"expected a table, found {_kind(values)}")
        self._values: Mapping[str, Any] = values

    def error(self, key: str, problem: str, **facts: str) -> LockError:
        """The error to raise about one key of this table."""
        place = ".".join(part for part in (self.path, key) if part)
        return LockError(f"{self.lock}: {place or 'document'}: {problem}", lock=self.lock, **facts)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def names(self) -> tuple[str, ...]:
        """The keys, in the document's order."""
        return tuple(self._values)

    def raw(self, key: str) -> Any:
        """The value as parsed, None where there is none."""
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required where no default is given."""
        value = self._values.get(key, default)
        if not isinstance(value, str):
            raise self.error(key, "missing" if value is None else f"expected text, found {_kind(value)}")
        return value

    def flag(self, key: str) -> bool:
        """A boolean, false where absent."""
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"expected true or false, found {_kind(value)}")
        return value

    def table(self, key: str) -> Table:
        """A table, empty where absent."""
        return Table(self._values.get(key, {}), self.lock, f"{self.path}.{key}" if self.path else key)

    def items(self, key: str) -> tuple[Any, ...]:
        """A list, empty where absent."""
        value = self._values.get(key, [])
        if not isinstance(value, list):
            raise self.error(key, f"expected a list, found {_kind(value)}")
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty where absent."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "expected a list of texts")
        return values

    def number(self, key: str) -> int | None:
        """A whole number, None where absent."""
        value = self._values.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.error(key, f"expected a whole number, found {_kind(value)}")
        return value

    def tables(self, key: str) -> Iterator[Table]:
        """A list of tables, empty where absent."""
        place = f"{self.path}.{key}" if self.path else key
        for number, value in enumerate(self.items(key)):
            yield Table(value, self.lock, f"{place}[{number}]")

    def name(self, key: str = "name") -> NormalizedName:
        """A project name, normalized (PEP 503)."""
        try:
            return canonicalize_name(self.text(key), validate=True)
        except InvalidName:
            raise self.error(key, f"{self.text(key)!r} is not a project name") from None

    def version(self, key: str = "version") -> Version:
        """A version (PEP 440)."""
        try:
            return Version(self.text(key))
        except ValueError:  # InvalidVersion, and numbers beyond what Python converts
            raise self.error(key, f"{_shown(self.text(key))} is not a version") from None

    def marker_error(self, key: str, text: str) -> LockError:
        """The error for a text that is no marker."""
        return self.error(key, f"{_shown(text)} is not an environment marker")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _kind(value: object) -> str:
    return {dict: "a table", list: "a list", str: "text", bool: "true/false", type(None): "nothing"}.get(
        type(value), f"a {type(value).__name__}"
    )
