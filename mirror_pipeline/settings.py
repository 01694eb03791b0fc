"""``config.env`` and the environment, parsed once into one frozen ``Settings``.

Pure: text and a mapping in, a value out. ``cli`` and ``definitions`` read the file and the environment.
Every key is declared in ``_DEFAULTS``, so that an unknown one can be refused with what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, cast

from packaging.utils import canonicalize_name

from mirror_pipeline.cloud_settings import CLOUD_DEFAULTS, read_cloud, read_retention, read_store
from mirror_pipeline.config_values import (
    Values,
    boolean,
    connections,
    cron,
    hosts,
    index_url,
    index_urls,
    names_in,
    one_of,
    owners,
    page_url,
    parse_file,
    path_of,
    paths_of,
    two_numbers,
    webhook_url,
)
from mirror_pipeline.domain.cloud import Cloud, Retention, StorePlace
from mirror_pipeline.domain.coverage import Policy, SdistPolicy, WheelPolicy
from mirror_pipeline.domain.floors import Floors
from mirror_pipeline.domain.target import DEFAULT_PLATFORMS, NOARCH, PLATFORMS, Python
from mirror_pipeline.errors import SettingsError

Exporter = Literal["lock", "poetry"]

_DEFAULTS: Mapping[str, str] = {
    "ORBIT_PROJECT": "examples/orbit-core-agent",
    **CLOUD_DEFAULTS,
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
    "MIRROR_OWNERS": "",
    "MIRROR_WEBHOOK_URL": "",
    "MIRROR_UI_URL": "",
    "MIRROR_TITLE": "",
}
EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
"""The time that pages tell, in seconds since 1970, by the convention of https://reproducible-builds.org.

A variable of the environment and no key: it is for a run that is to give the same bytes as another.
"""


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
    """Which files targets get, and the floors."""
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
    cloud: Cloud = field(default_factory=Cloud)
    store: StorePlace | None = None
    """The wheel store and the documents elsewhere; None: in ``home``."""
    retention: Retention = field(default_factory=Retention)
    owners: tuple[str, ...] = ()
    """Whom the UI names as owners of every asset."""
    webhook: str = field(default="", repr=False)
    """Where failures and findings are told; a secret, as it may hold a token."""
    ui_url: str = ""
    """Where the Dagster UI is, for links to runs."""
    title: str = ""
    """The heading of the page for people; empty: made of the projects' names."""
    made_at: datetime | None = None
    """The time that pages tell, where it is given."""
    warnings: tuple[str, ...] = ()
    config: Path | None = None
    """The file that was read, None where the environment alone says everything."""

    @property
    def site(self) -> Path:
        """The published directory: a link to the live generation."""
        return self.home / "site"


def parse_settings(text: str, environ: Mapping[str, str], root: Path, file: str = "config.env") -> Settings:
    """Settings from the text of ``config.env`` and the environment, which wins."""
    given, warnings = parse_file(text, file, _DEFAULTS)
    merged = {**_DEFAULTS, **{key: value for key, value in given.items() if value}}
    merged.update(
        {key: environ[key].strip() or default for key, default in _DEFAULTS.items() if key in environ}
    )
    values = Values(merged, file)
    cloud = read_cloud(values)
    return Settings(
        root=root,
        projects=_projects(values, root),
        requirements_dev=paths_of(values, "MIRROR_REQUIREMENTS_DEV", root),
        home=path_of(values, "MIRROR_HOME", merged["MIRROR_HOME"], root),
        selection=cast("Literal['prod', 'all']", one_of(values, "MIRROR_SELECTION", ("prod", "all"))),
        groups=tuple(canonicalize_name(name) for name in names_in(merged["MIRROR_GROUPS"])),
        extras=tuple(canonicalize_name(name) for name in names_in(merged["MIRROR_EXTRAS"])),
        platforms=_platforms(values),
        pythons=_pythons(values),
        policy=Policy(
            wheels=cast("WheelPolicy", one_of(values, "MIRROR_WHEELS", ("compatible", "best-per-floor"))),
            sdists=cast("SdistPolicy", one_of(values, "MIRROR_SDISTS", ("never", "fallback", "always"))),
            floors=Floors(
                values.read("MIRROR_GLIBC", two_numbers, "a version such as 2.28"),
                values.read("MIRROR_MACOS", two_numbers, "a version such as 13.0"),
            ),
        ),
        index_url=index_url(values, "MIRROR_INDEX_URL"),
        extra_index_urls=_extra_urls(values),
        file_hosts=hosts(values, "MIRROR_FILE_HOSTS"),
        allow_unhashed=values.read("MIRROR_ALLOW_UNHASHED", boolean, "true or false"),
        concurrency=values.read("MIRROR_CONCURRENCY", connections, "a whole number from 1 to 128"),
        allow_failures=values.read("MIRROR_ALLOW_FAILURES", boolean, "true or false"),
        exporter=cast("Exporter", one_of(values, "MIRROR_EXPORTER", ("lock", "poetry"))),
        schedule=values.read("MIRROR_SCHEDULE", cron, "five cron fields, such as '0 3 * * *'"),
        cloud=cloud,
        store=read_store(values, cloud),
        retention=read_retention(values),
        owners=owners(values, "MIRROR_OWNERS"),
        webhook=webhook_url(values, "MIRROR_WEBHOOK_URL"),
        ui_url=page_url(values, "MIRROR_UI_URL"),
        title=merged["MIRROR_TITLE"],
        made_at=_made_at(environ.get(EPOCH_VARIABLE, "").strip()),
        warnings=(*warnings, *_unknown_in_environment(environ)),
    )


def _made_at(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise SettingsError(
            f"{EPOCH_VARIABLE}={text!r}: expected a whole number of seconds since 1970",
            key=EPOCH_VARIABLE,
            value=text,
        ) from None


def _unknown_in_environment(environ: Mapping[str, str]) -> list[str]:
    known = {*_DEFAULTS, "MIRROR_CONFIG"}
    return [
        f"unknown {key} in the environment is ignored"
        for key in sorted(environ)
        if key.startswith("MIRROR_") and key not in known
    ]


def _projects(values: Values, root: Path) -> tuple[Path, ...]:
    paths = paths_of(values, "ORBIT_PROJECT", root)
    if not paths:
        raise values.refused(
            "ORBIT_PROJECT", values.texts["ORBIT_PROJECT"], "a project directory or lock file"
        )
    return paths


def _platforms(values: Values) -> tuple[str, ...]:
    known = (*PLATFORMS, NOARCH)
    names = names_in(values.texts["MIRROR_PLATFORMS"])
    for name in names:
        if name not in known:
            raise values.refused("MIRROR_PLATFORMS", name, ", ".join(known))
    if not set(names) - {NOARCH}:
        raise values.refused(
            "MIRROR_PLATFORMS", values.texts["MIRROR_PLATFORMS"], "a platform besides noarch"
        )
    return (*(name for name in names if name != NOARCH), NOARCH)


def _pythons(values: Values) -> tuple[Python, ...]:
    found = []
    for name in names_in(values.texts["MIRROR_PYTHONS"]):
        try:
            found.append(Python.parse(name))
        except ValueError as error:
            raise values.refused("MIRROR_PYTHONS", name, str(error)) from None
    return tuple(sorted(set(found)))


def _extra_urls(values: Values) -> tuple[str, ...] | None:
    urls = index_urls(values, "MIRROR_EXTRA_INDEX_URLS")
    return urls or (() if values.texts["MIRROR_INDEX_URL"] else None)
