"""A small project with everything that makes a mirror interesting, an upstream that serves it, and its edits.

``Workbench`` is a folder with ``config.env``, a project whose lock names wheels made on the spot, and a
``FakeUpstream`` that has them. Its methods are what a person does to a project (``bump_windows``,
``add_comment``, ``add_pin``, ``configure``); ``refresh`` runs the pipeline without the command line.

A first run costs seconds. ``keep`` remembers the whole folder and ``restored`` gives it back at the same
path with a new upstream, so that the tests of a module share one first run and yet all start from it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest
from typing_extensions import Self

from mirror_pipeline.adapters.fetching import Fetcher
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.upstream import Retrier
from mirror_pipeline.configuration import load_settings
from mirror_pipeline.instance import open_instance
from mirror_pipeline.phases.mirror import Mirror, build_mirror
from mirror_pipeline.refresh import Refreshed, refresh
from mirror_pipeline_tests.locks import content_hash, package, poetry_lock, poetry_pyproject
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, wheel

LINUX = "cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"
LINUX_ARM = "cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64"
MACOS = "cp310-abi3-macosx_11_0_arm64"
WINDOWS = "cp310-abi3-win_amd64"
NATIVE = (LINUX, LINUX_ARM, MACOS, WINDOWS)
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
"""What every mirror of these tests takes for the time: two homes tell the same one."""
TWO_PLATFORMS = "linux-x86_64,windows-amd64"
"""Enough for most tests; ``noarch`` comes by itself."""

_ONE_DATABASE = """\
telemetry:
  enabled: false
nux:
  enabled: false
event_log_storage:
  module: dagster._core.storage.event_log
  class: ConsolidatedSqliteEventLogStorage
  config:
    base_dir: {home}
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""
"""Dagster's default makes a database and two processes for each run, which take longer than the run."""

_OURS = (
    "MIRROR_",
    "ORBIT_",
    "DAGSTER_",
    "BUCKET_",
    "AWS_",
    "CLOUDFRONT_",
    "S3_",
    "COLUMNS",
    "SOURCE_DATE_EPOCH",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@contextmanager
def clean_environment() -> Iterator[None]:
    """Without this machine's settings and proxies: for what runs in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_OURS) or name.lower() in _PROXIES:
                patch.delenv(name)
        yield


@dataclass(frozen=True)
class Locked:
    """A project in the lock: its files, and where it is wanted."""

    dists: tuple[Dist, ...]
    markers: str = ""
    groups: tuple[str, ...] = ("main",)

    @property
    def name(self) -> str:
        """The project."""
        return self.dists[0].project


def example_packages() -> dict[str, Locked]:
    """Pure, native, native for Windows only, and one of the dev group."""
    native = tuple(wheel("native", tag=tag, payload=4000) for tag in NATIVE)
    packages = (
        Locked((wheel("alpha", requires_python=">=3.8"),)),
        Locked(native),
        Locked((wheel("winonly", tag=WINDOWS),), markers='sys_platform == "win32"'),
        Locked((wheel("checker"),), groups=("dev",)),
    )
    return {item.name: item for item in packages}


@dataclass
class Workbench:
    """A project, its settings and its upstream, in one folder."""

    root: Path
    upstream: FakeUpstream
    packages: dict[str, Locked] = field(default_factory=example_packages)
    values: dict[str, str] = field(default_factory=dict)
    comment: str = ""
    _closing: ExitStack = field(default_factory=ExitStack)
    _instance: dg.DagsterInstance | None = None

    def __post_init__(self) -> None:
        self.values = {
            "ORBIT_PROJECT": "shop",
            "MIRROR_HOME": "home",
            "MIRROR_PLATFORMS": TWO_PLATFORMS,
            "MIRROR_PYTHONS": "3.11",
            "MIRROR_INDEX_URL": self.upstream.url,
            "MIRROR_CONCURRENCY": "4",
            **self.values,
        }
        self.write()

    # What is where.

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.root / "config.env"

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.root / "shop" / "poetry.lock"

    @property
    def home(self) -> Path:
        """MIRROR_HOME."""
        return self.root / "home"

    @property
    def site(self) -> Path:
        """The published directory."""
        return self.home / "site"

    def dist(self, name: str, part: str = "") -> Dist:
        """The file of a project whose name contains ``part``."""
        return next(dist for dist in self.packages[name].dists if part in dist.file)

    # Edits.

    def write(self) -> None:
        """Write project and settings as they are now, and let the upstream have every file."""
        for dist in (dist for item in self.packages.values() for dist in item.dists):
            self.upstream.add(dist)
        pyproject = poetry_pyproject(
            dependencies={name: "*" for name, item in self.packages.items() if "main" in item.groups},
            groups={"dev": {name: "*" for name, item in self.packages.items() if "dev" in item.groups}},
        )
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        (self.lock.parent / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        self.lock.write_text(self.comment + self.lock_text(pyproject), encoding="utf-8")
        settings = "".join(f"{key}={value}\n" for key, value in self.values.items())
        self.config.write_text(settings, encoding="utf-8")

    def lock_text(self, pyproject: str = "") -> str:
        """What poetry would lock."""
        locked = [
            package(
                item.name,
                item.dists[0].version,
                files={dist.file: dist.sha256 for dist in item.dists},
                groups=item.groups,
                markers=item.markers,
            )
            for item in self.packages.values()
        ]
        return poetry_lock(locked, content_hash=content_hash(pyproject))

    def configure(self, **values: str) -> None:
        """Change settings."""
        self.values.update(values)
        self.write()

    def put(self, item: Locked) -> None:
        """Lock a project, or lock it anew."""
        self.packages[item.name] = item
        self.write()

    def bump_windows(self) -> Dist:
        """A new version of the one project that only Windows has."""
        return self.bump_windows_to("1.1")

    def bump_windows_to(self, version: str) -> Dist:
        """That version of it."""
        dist = wheel("winonly", version, WINDOWS)
        self.put(replace(self.packages["winonly"], dists=(dist,)))
        return dist

    def add_comment(self) -> None:
        """A change of the lock's text that means nothing."""
        self.comment += "# checked by hand\n"
        self.write()

    def add_pin(self, name: str = "beta") -> Dist:
        """One more pure project."""
        dist = wheel(name)
        self.put(Locked((dist,)))
        return dist

    def add_gap(self) -> Dist:
        """One more project, which has no wheel for Windows."""
        dist = wheel("linuxish", tag=LINUX)
        self.put(Locked((dist,)))
        return dist

    # Runs.

    def mirror(self) -> Mirror:
        """The mirror as the settings file describes it now; does not wait between attempts."""
        settings = load_settings({}, self.config)
        fetcher = Fetcher(
            settings.index_url,
            settings.extra_index_urls,
            settings.concurrency,
            config=PipConfig(self.upstream.url),
            retrier=Retrier(lambda _seconds: None),
        )
        return replace(build_mirror(settings), fetcher=fetcher, now=lambda: NOW)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The Dagster instance in MIRROR_HOME, kept open: opening it takes longer than using it."""
        if self._instance is None:
            self._instance = self._closing.enter_context(open_instance(self.home / "dagster"))
        yield self._instance

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._instance = None
        self._closing.close()

    def refresh(self, *, force: bool = False) -> Refreshed:
        """Bring the mirror up to date."""
        with self.instance() as instance:
            return refresh(self.mirror(), instance, force=force)

    # Looking.

    def published(self) -> Mapping[str, str]:
        """Key → digest of everything below the live site."""
        return tree(self.site.resolve())


def materialize(
    definitions: dg.Definitions, instance: dg.DagsterInstance, *assets: str, partition: str | None = None
) -> dg.ExecuteInProcessResult:
    """Run some assets, as a click in the UI would; a failure is in the result."""
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        partition_key=partition,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def tree(root: Path, *, without: Sequence[str] = ()) -> Mapping[str, str]:
    """Path → digest (or target of a link) of all below a folder, links to folders followed one step."""
    found: dict[str, str] = {}
    for folder, names, files in os.walk(root, followlinks=False):
        here = Path(folder)
        names[:] = [name for name in names if (here / name).relative_to(root).as_posix() not in without]
        for path in (here / name for name in (*names, *files)):
            key = path.relative_to(root).as_posix()
            if path.is_symlink():
                found[key] = f"→ {path.readlink()}"
            elif path.is_file():
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[f"{key}/"] = ""
    return found


@dataclass(frozen=True)
class Kept:
    """A folder as it was, to be given back."""

    root: Path
    copy: Path
    values: Mapping[str, str]

    @contextmanager
    def restored(self) -> Iterator[Workbench]:
        """The folder again, with an upstream of its own."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.copy, self.root, symlinks=True)
        with clean_environment(), FakeUpstream() as upstream:
            values = {**self.values, "MIRROR_INDEX_URL": upstream.url}
            with Workbench(self.root, upstream, values=values) as bench:
                yield bench


@contextmanager
def workbench(root: Path, **values: str) -> Iterator[Workbench]:
    """A new workbench; nothing has run yet."""
    history = root / "home" / "dagster"
    history.mkdir(parents=True, exist_ok=True)
    (history / "dagster.yaml").write_text(_ONE_DATABASE.format(home=history), encoding="utf-8")
    with (
        clean_environment(),
        FakeUpstream() as upstream,
        Workbench(root, upstream, values=values) as bench,
    ):
        yield bench


def keep(root: Path, **values: str) -> Kept:
    """Make a workbench, run the pipeline once, and remember the folder."""
    place, copy = root / "bench", root / "kept"
    with workbench(place, **values) as bench:
        done = bench.refresh()
        assert not done.failures, done.failures
        kept = Kept(place, copy, {k: v for k, v in bench.values.items() if k != "MIRROR_INDEX_URL"})
    shutil.copytree(place, copy, symlinks=True)
    return kept
