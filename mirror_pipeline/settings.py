"""``config.env`` and the environment, parsed once into one frozen ``Settings``.

Pure: text and a mapping in, a value out. ``cli`` and ``definitions`` read the file and the environment.
Every key is declared in ``_KEYS``, so that an unknown one can be refused with what is allowed.
"""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from dotenv.parser import parse_stream
from packaging.utils import canonicalize_name

from mirror_pipeline.domain.coverage import Policy, SdistPolicy, WheelPolicy
from mirror_pipeline.domain.target import DEFAULT_PLATFORMS, NOARCH, PLATFORMS, Python
from mirror_pipeline.errors import SettingsError

Exporter = Literal["lock", "poetry"]
T = TypeVar("T")

_DEFAULTS: Mapping[str, str] = {
    "ORBIT_PROJECT": "examples/orbit-core-agent",
    "BUCKET_NAME": "",
    "AWS_PROFILE": "",
    "AWS_REGION": "us-east-1",
    "CLOUDFRONT_DISTRIBUTION_ID": "",
    "CLOUDFRONT_DOMAIN": "",
    "CLOUDFRONT_OAC_ID": "",
    "MIRROR_HOME": "./mirror",
    "MIRROR_SELECTION": "all",
    "MIRROR_REQUIREMENTS_DEV": "",
    "MIRROR_GROUPS": "",
    "MIRROR_EXTRAS": "",
    "MIRROR_PLATFORMS": ",".join(DEFAULT_PLATFORMS),
    "MIRROR_PYTHONS": "",
    "MIRROR_WHEELS": "compatible",
    "MIRROR_GLIBC": "2.28",
    "MIRROR_MACOS": "13.0",
    "MIRROR_SDISTS": "never",
    "MIRROR_INDEX_URL": "",
    "MIRROR_EXTRA_INDEX_URLS": "",
    "MIRROR_FILE_HOSTS": "",
    "MIRROR_ALLOW_UNHASHED": "false",
    "MIRROR_CONCURRENCY": "16",
    "MIRROR_ALLOW_FAILURES": "false",
    "MIRROR_EXPORTER": "lock",
    "MIRROR_SCHEDULE": "0 3 * * *",
    "MIRROR_PUBLISH": "",
    "S3_ENDPOINT_URL": "",
    "MIRROR_STORE_URL": "",
}
_NOT_YET = {
    "BUCKET_NAME": "publishing to a bucket",
    "MIRROR_STORE_URL": "a wheel store outside MIRROR_HOME",
    "MIRROR_PUBLISH": "publishing to a bucket",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run depends on besides the lock. Paths are absolute."""

    root: Path
    """Where requirement files are written and relative paths start: the folder of ``config.env``."""
    projects: tuple[Path, ...]
    requirements_dev: tuple[Path, ...]
    """Requirement files that stand for the group ``dev`` of the project named first."""
    home: Path
    selection: Literal["prod", "all"]
    groups: tuple[str, ...]
    extras: tuple[str, ...]
    platforms: tuple[str, ...]
    pythons: tuple[Python, ...]
    """Empty stands for every supported CPython that the lock allows."""
    policy: Policy
    glibc: tuple[int, int]
    macos: tuple[int, int]
    index_url: str | None
    extra_index_urls: tuple[str, ...] | None
    """None leaves both to pip's own configuration."""
    file_hosts: tuple[str, ...]
    """Hosts that files may come from, ``*.example.org`` patterns among them; empty allows all."""
    allow_unhashed: bool
    """Whether pins without a hash in the lock are mirrored, with the hash that upstream states."""
    concurrency: int
    allow_failures: bool
    exporter: Exporter
    schedule: str
    warnings: tuple[str, ...] = ()

    @property
    def site(self) -> Path:
        """The published directory: a link to the live generation."""
        return self.home / "site"


@dataclass(frozen=True, slots=True)
class _Values:
    """The effective text of every key, and where it came from."""

    texts: Mapping[str, str]
    file: str

    def read(self, key: str, parse: Callable[[str], T], allowed: str) -> T:
        """Parse one value; a refusal names the key, the value and what is allowed."""
        text = self.texts[key]
        try:
            return parse(text)
        except (ValueError, KeyError):
            raise self.refused(key, text, allowed) from None

    def refused(self, key: str, value: str, allowed: str) -> SettingsError:
        """The error for a bad value."""
        return SettingsError(
            f"{key}={value!r} is not allowed: expected {allowed}",
            key=key,
            value=value,
            allowed=allowed,
            file=self.file,
        )


def parse_settings(text: str, environ: Mapping[str, str], root: Path, file: str = "config.env") -> Settings:
    """Settings from the text of ``config.env`` and the environment, which wins."""
    given, warnings = _parse_file(text, file)
    merged = {**_DEFAULTS, **{key: value for key, value in given.items() if value}}
    merged.update(
        {key: environ[key].strip() or default for key, default in _DEFAULTS.items() if key in environ}
    )
    values = _Values(merged, file)
    _refuse_what_is_not_there_yet(values)
    return Settings(
        root=root,
        projects=_projects(values, root),
        requirements_dev=_paths(values, "MIRROR_REQUIREMENTS_DEV", root),
        home=_path(values, "MIRROR_HOME", merged["MIRROR_HOME"], root),
        selection=cast("Literal['prod', 'all']", _one_of(values, "MIRROR_SELECTION", ("prod", "all"))),
        groups=tuple(canonicalize_name(name) for name in _names(merged["MIRROR_GROUPS"])),
        extras=tuple(canonicalize_name(name) for name in _names(merged["MIRROR_EXTRAS"])),
        platforms=_platforms(values),
        pythons=_pythons(values),
        policy=Policy(
            wheels=cast("WheelPolicy", _one_of(values, "MIRROR_WHEELS", ("compatible",))),
            sdists=cast("SdistPolicy", _one_of(values, "MIRROR_SDISTS", ("never", "fallback", "always"))),
        ),
        glibc=values.read("MIRROR_GLIBC", _two_numbers, "a version such as 2.28"),
        macos=values.read("MIRROR_MACOS", _two_numbers, "a version such as 13.0"),
        index_url=merged["MIRROR_INDEX_URL"] or None,
        extra_index_urls=_extra_urls(merged),
        file_hosts=tuple(host.lower() for host in _names(merged["MIRROR_FILE_HOSTS"])),
        allow_unhashed=values.read("MIRROR_ALLOW_UNHASHED", _boolean, "true or false"),
        concurrency=values.read("MIRROR_CONCURRENCY", _connections, "a whole number from 1 to 128"),
        allow_failures=values.read("MIRROR_ALLOW_FAILURES", _boolean, "true or false"),
        exporter=cast("Exporter", _one_of(values, "MIRROR_EXPORTER", ("lock", "poetry"))),
        schedule=values.read("MIRROR_SCHEDULE", _cron, "five cron fields, such as '0 3 * * *'"),
        warnings=(*warnings, *_unknown_in_environment(environ)),
    )


def _parse_file(text: str, file: str) -> tuple[dict[str, str], list[str]]:
    given: dict[str, str] = {}
    warnings: list[str] = []
    for binding in parse_stream(io.StringIO(text.removeprefix("\ufeff"))):
        written = binding.original.string
        line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            shown = written.strip()
            raise SettingsError(f"{file}:{line}: expected KEY=value, found {shown!r}", file=file, line=line)
        if binding.key is None:
            continue
        if binding.key not in _DEFAULTS:
            raise _unknown_key(binding.key, file, line)
        if binding.key in given:
            warnings.append(f"{file}:{line}: {binding.key} is given twice; the later value counts")
        given[binding.key] = (binding.value or "").strip()
    return given, warnings


def _unknown_key(key: str, file: str, line: int) -> SettingsError:
    near = difflib.get_close_matches(key, _DEFAULTS, n=1)
    return SettingsError(
        f"{file}:{line}: unknown key {key}",
        hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(_DEFAULTS)}",
        key=key,
        file=file,
        line=line,
        allowed=list(_DEFAULTS),
    )


def _unknown_in_environment(environ: Mapping[str, str]) -> list[str]:
    known = {*_DEFAULTS, "MIRROR_CONFIG"}
    return [
        f"unknown {key} in the environment is ignored"
        for key in sorted(environ)
        if key.startswith("MIRROR_") and key not in known
    ]


def _refuse_what_is_not_there_yet(values: _Values) -> None:
    for key, what in _NOT_YET.items():
        if values.texts[key]:
            raise SettingsError(
                f"{key}={values.texts[key]!r}: {what} is not part of this version",
                hint=f"leave {key} empty to publish to MIRROR_HOME/site",
                key=key,
                value=values.texts[key],
                allowed="empty",
                file=values.file,
            )


def _path(values: _Values, key: str, text: str, root: Path) -> Path:
    try:
        return Path(os.path.normpath(root / Path(text).expanduser()))
    except RuntimeError:  # ~somebody who is not known here
        raise values.refused(key, text, "a path (no home directory can be told for it)") from None


def _paths(values: _Values, key: str, root: Path) -> tuple[Path, ...]:
    parts = [part.strip() for part in values.texts[key].split(os.pathsep)]
    return tuple(dict.fromkeys(_path(values, key, part, root) for part in parts if part))


def _projects(values: _Values, root: Path) -> tuple[Path, ...]:
    paths = _paths(values, "ORBIT_PROJECT", root)
    if not paths:
        raise values.refused(
            "ORBIT_PROJECT", values.texts["ORBIT_PROJECT"], "a project directory or lock file"
        )
    return paths


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in text.replace(",", " ").split() if part))


def _one_of(values: _Values, key: str, allowed: tuple[str, ...]) -> str:
    value = values.texts[key].lower()
    if value not in allowed:
        raise values.refused(key, values.texts[key], " or ".join(allowed))
    return value


def _platforms(values: _Values) -> tuple[str, ...]:
    known = (*PLATFORMS, NOARCH)
    names = _names(values.texts["MIRROR_PLATFORMS"])
    for name in names:
        if name not in known:
            raise values.refused("MIRROR_PLATFORMS", name, ", ".join(known))
    if not set(names) - {NOARCH}:
        raise values.refused(
            "MIRROR_PLATFORMS", values.texts["MIRROR_PLATFORMS"], "a platform besides noarch"
        )
    return (*(name for name in names if name != NOARCH), NOARCH)


def _pythons(values: _Values) -> tuple[Python, ...]:
    found = []
    for name in _names(values.texts["MIRROR_PYTHONS"]):
        try:
            found.append(Python.parse(name))
        except ValueError as error:
            raise values.refused("MIRROR_PYTHONS", name, str(error)) from None
    return tuple(sorted(set(found)))


def _extra_urls(merged: Mapping[str, str]) -> tuple[str, ...] | None:
    urls = _names(merged["MIRROR_EXTRA_INDEX_URLS"])
    return urls or (() if merged["MIRROR_INDEX_URL"] else None)


def _two_numbers(text: str) -> tuple[int, int]:
    major, minor = map(_whole, text.split("."))
    return major, minor


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):  # int() takes signs, underscores and spaces too
        raise ValueError(text)
    return int(text)


def _connections(text: str) -> int:
    number = _whole(text)
    if not 1 <= number <= 128:
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    return {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }[text.lower()]


def _cron(text: str) -> str:
    if len(text.split()) != 5:
        raise ValueError(text)
    return text
