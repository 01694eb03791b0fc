"""The documents that phases hand each other: frozen values as JSON, below ``MIRROR_HOME/documents`` or in
a bucket (``object_documents``).

A document is named by its phase and, where partitioned, its platform. Its digest is a content hash:
the same value always gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cattrs
from cattrs.strategies import configure_union_passthrough
from packaging.markers import Marker
from packaging.version import Version

from mirror_pipeline.adapters.files import disk_errors, write_atomically
from mirror_pipeline.domain.lock import Node, Root
from mirror_pipeline.domain.target import Python
from mirror_pipeline.errors import DocumentError

T = TypeVar("T")

_MADE_AGAIN = "run 'mirror-pipeline refresh --force'"


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(omit_if_default=False)
    configure_union_passthrough(str | bool | int | None, converter)
    for kind in (Version, Marker, Python):
        converter.register_unstructure_hook(kind, str)
    converter.register_unstructure_hook_func(
        lambda kind: getattr(kind, "__origin__", None) is frozenset, lambda items: sorted(items)
    )
    converter.register_structure_hook(Version, lambda text, _: Version(text))
    converter.register_structure_hook(Marker, lambda text, _: Marker(text))
    converter.register_structure_hook(Python, lambda text, _: Python.parse(text))
    converter.register_unstructure_hook(bytes, lambda data: base64.b64encode(data).decode())
    converter.register_structure_hook(bytes, lambda text, _: base64.b64decode(text))
    converter.register_structure_hook(
        Root | Node, lambda data, _: converter.structure(data, Root if "kind" in data else Node)
    )
    return converter


_CONVERTER = _converter()


def encode(value: object) -> bytes:
    """A value as deterministic JSON."""
    data = _CONVERTER.unstructure(value)
    return (json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def decode(content: bytes, kind: type[T], name: str, hint: str = _MADE_AGAIN) -> T:
    """The value back; unreadable content is a ``DocumentError`` that names the document."""
    try:
        return _CONVERTER.structure(json.loads(content), kind)
    except Exception as error:  # cattrs wraps whatever a hook raised in exception groups
        raise DocumentError(
            f"{name}: the document is damaged ({type(error).__name__})",
            hint=hint,
            document=name,
        ) from error


def digest_of(value: object) -> str:
    """The content hash by which a value is compared."""
    return hashlib.sha256(encode(value)).hexdigest()


class Documents(Protocol):
    """Named documents. Whoever writes one replaces it whole."""

    def write(self, name: str, value: object) -> str:
        """Store a document; returns its digest."""

    def read(self, name: str, kind: type[T]) -> T:
        """Load a document; a missing one says which phase has to run first."""

    def find(self, name: str, kind: type[T]) -> T | None:
        """Load a document where there is a readable one: for comparing with an earlier state only."""


def not_made_yet(name: str) -> DocumentError:
    """There is no such document."""
    phase = name.partition("/")[0]
    return DocumentError(
        f"{name}: not made yet", hint=f"materialize '{phase}' first, or run 'refresh'", document=name
    )


class DirectoryDocuments:
    """Documents in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, tuple[_Stamp, object]] = {}

    def write(self, name: str, value: object) -> str:
        """Store a document; returns its digest."""
        content = encode(value)
        with disk_errors(self._directory):  # locks, and what is made of them, may name indexes with logins
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(name), content)
        return hashlib.sha256(content).hexdigest()

    def read(self, name: str, kind: type[T]) -> T:
        """Load a document; a missing one says which phase has to run first."""
        path = self._path(name)
        with disk_errors(path):
            if not path.is_file():
                raise not_made_yet(name)
            stamp = _stamp(path)
            known = self._known.get(name)
            if known and known[0] == stamp and isinstance(known[1], kind):
                return known[1]
            value = decode(path.read_bytes(), kind, name)
        self._known[name] = (stamp, value)
        return value

    def find(self, name: str, kind: type[T]) -> T | None:
        """Load a document where there is a readable one."""
        try:
            return self.read(name, kind)
        except DocumentError:
            return None

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"


_Stamp = tuple[int, int, int]


def _stamp(path: Path) -> _Stamp:
    """What changes when a file is replaced: values are frozen, so the same file need not be read twice."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def as_plain(value: object) -> Any:
    """A value as JSON-ready data, for reports and ``--json``."""
    return _CONVERTER.unstructure(value)
