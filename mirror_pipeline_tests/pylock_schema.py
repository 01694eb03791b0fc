"""A JSON schema for ``pylock.toml`` (PEP 751), written for these tests from the text of the specification.

The official schema is published on a web page, and no package carries it, so a test cannot ask it. This one
says the same of keys and types, and also what the specification's prose asks of values: normalized names, a
hash that is one, exactly one kind of source, a place for every file, a time that is one of TOML's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_NAME: Schema = {"type": "string", "pattern": r"^[a-z0-9]+(-[a-z0-9]+)*$"}
_NAMES: Schema = {"type": "array", "items": _NAME, "uniqueItems": True}
_TOOL: Schema = {"type": "object", "additionalProperties": {"type": "object"}}
_SIZE: Schema = {"type": "integer", "minimum": 0}
_HASHES: Schema = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": r"^[a-z0-9_]+$"},
    "additionalProperties": {"type": "string", "pattern": r"^[0-9a-f]+$"},
    "properties": {"sha256": {"type": "string", "pattern": r"^[0-9a-f]{64}$"}},
}
_SOMEWHERE: Schema = {"anyOf": [{"required": ["url"]}, {"required": ["path"]}]}
_PLACE: Schema = {"url": {"type": "string", "pattern": r"^[a-z][a-z0-9+.-]*:"}, "path": _TEXT}
_UPLOADED: Schema = {"type": "datetime"}


def _table(properties: Schema, *required: str, also: Schema | None = None) -> Schema:
    """A table with these keys and no others."""
    closed = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**closed, "required": list(required), **(also or {})}


_FILE = {**_PLACE, "name": _TEXT, "upload-time": _UPLOADED, "size": _SIZE, "hashes": _HASHES}
_SDIST = _table(_FILE, "hashes", also=_SOMEWHERE)
_WHEELS: Schema = {"type": "array", "minItems": 1, "items": _SDIST}
_TREE = {**_PLACE, "subdirectory": _TEXT}
_ARCHIVE = _table(
    {**_TREE, "size": _SIZE, "upload-time": _UPLOADED, "hashes": _HASHES}, "hashes", also=_SOMEWHERE
)
_VCS = _table(
    {**_TREE, "type": _TEXT, "requested-revision": _TEXT, "commit-id": _TEXT},
    *("type", "commit-id"),
    also=_SOMEWHERE,
)
_DIRECTORY = _table({"path": _TEXT, "editable": {"type": "boolean"}, "subdirectory": _TEXT}, "path")
_IDENTITY: Schema = {"type": "object", "required": ["kind"], "properties": {"kind": _TEXT}}


def _only(*kinds: str) -> Schema:
    """Some of these kinds of source, and none of the others."""
    others = {"vcs", "directory", "archive", "sdist", "wheels"} - set(kinds)
    return {
        "anyOf": [{"required": [kind]} for kind in kinds],
        "not": {"anyOf": [{"required": [kind]} for kind in sorted(others)]},
    }


_PACKAGE = _table(
    {
        "name": _NAME,
        "version": _TEXT,
        "marker": _TEXT,
        "requires-python": _TEXT,
        "dependencies": {"type": "array", "items": {"type": "object"}},
        "vcs": _VCS,
        "directory": _DIRECTORY,
        "archive": _ARCHIVE,
        "index": _TEXT,
        "sdist": _SDIST,
        "wheels": _WHEELS,
        "attestation-identities": {"type": "array", "items": _IDENTITY},
        "tool": _TOOL,
    },
    "name",
    also={"oneOf": [_only("vcs"), _only("directory"), _only("archive"), _only("sdist", "wheels")]},
)
PYLOCK_SCHEMA = _table(
    {
        "lock-version": {"const": "1.0"},
        "environments": _TEXTS,
        "requires-python": _TEXT,
        "extras": _NAMES,
        "dependency-groups": _NAMES,
        "default-groups": _NAMES,
        "created-by": _TEXT,
        "packages": {"type": "array", "items": _PACKAGE},
        "tool": _TOOL,
    },
    *("lock-version", "created-by", "packages"),
)
FILE_NAME = re.compile(r"pylock\.([^.]+\.)?toml")
"""What a lock file may be called."""


def _is_datetime(_checker: object, value: object) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("datetime", _is_datetime)
)
pylock_validator = _Validator(PYLOCK_SCHEMA)
"""Validates a lock as a TOML reader gives it."""
