"""A project, an upstream that serves it, and the phases run by hand, one after the other, without Dagster."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mirror_pipeline.adapters.fetching import Fetcher
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.upstream import Retrier
from mirror_pipeline.phases import index, lock, publication, requirements, wheel_plan, wheels
from mirror_pipeline.phases.mirror import Mirror, build_mirror
from mirror_pipeline.phases.wheels import Gathered
from mirror_pipeline.settings import parse_settings
from mirror_pipeline.sites.site import Outcome
from mirror_pipeline_tests.locks import LockedPackage, package, poetry_lock, poetry_pyproject
from mirror_pipeline_tests.mirrors import NOW
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, sdist, wheel

ALPHA = wheel("alpha", "1.0", requires_python=">=3.8,<4")
ALPHA_SOURCE = sdist("alpha", "1.0")
LINUX = wheel("native", "2.0+cpu", "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", payload=5_000)
WINDOWS = wheel("native", "2.0+cpu", "cp312-cp312-win_amd64", payload=5_000)
ONLY_WINDOWS = wheel("only-windows", "0.3")
CHECKER = wheel("checker", "7.0", requires=("alpha",))
DISTS = (ALPHA, ALPHA_SOURCE, LINUX, WINDOWS, ONLY_WINDOWS, CHECKER)
MIRRORED = frozenset(dist.file for dist in DISTS) - {ALPHA_SOURCE.file}


def locked(*dists: Dist, markers: str = "", groups: Sequence[str] = ("main",)) -> LockedPackage:
    """One project of the lock, by its files."""
    files = {dist.file: dist.sha256 for dist in dists}
    return package(dists[0].project, dists[0].version, files=files, markers=markers, groups=groups)


PACKAGES = (
    locked(ALPHA, ALPHA_SOURCE),
    locked(LINUX, WINDOWS),
    locked(ONLY_WINDOWS, markers='sys_platform == "win32"'),
    locked(CHECKER, groups=("dev",)),
)


@dataclass
class World:
    """A folder with a project and a mirror's home. ``values`` are the settings."""

    root: Path
    upstream: FakeUpstream
    values: dict[str, str] = field(default_factory=dict)

    def lock(self, *packages: LockedPackage, project: str = "shop") -> None:
        """Write the lock of a project."""
        folder = self.root / project
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "poetry.lock").write_text(poetry_lock(packages))
        (folder / "pyproject.toml").write_text(poetry_pyproject(project))

    def mirror(self, **values: str) -> Mirror:
        """The mirror, as a new process would have it; does not wait between attempts."""
        merged = {
            "ORBIT_PROJECT": "shop",
            "MIRROR_HOME": "home",
            "MIRROR_PLATFORMS": "linux-x86_64,windows-amd64",
            "MIRROR_PYTHONS": "3.12",
            "MIRROR_INDEX_URL": self.upstream.url,
            **self.values,
            **values,
        }
        settings = parse_settings("".join(f"{k}={v}\n" for k, v in merged.items()), {}, self.root)
        fetcher = Fetcher(
            settings.index_url,
            settings.extra_index_urls,
            settings.concurrency,
            config=PipConfig(self.upstream.url),
            retrier=Retrier(lambda _seconds: None),
        )
        return replace(build_mirror(settings), fetcher=fetcher, now=lambda: NOW)

    @property
    def home(self) -> Path:
        """MIRROR_HOME."""
        return self.root / "home"

    @property
    def site(self) -> Path:
        """The published directory."""
        return self.home / "site"


def plan(mirror: Mirror) -> None:
    """From the lock to the plans."""
    lock.take_snapshot(mirror)
    requirements.make_requirements(mirror)
    for platform in mirror.settings.platforms:
        wheel_plan.plan_platform(mirror, platform)


def gather(mirror: Mirror) -> Mapping[str, Gathered]:
    """From the lock to the wheel sets of all platforms."""
    plan(mirror)
    return {platform: wheels.gather_wheels(mirror, platform) for platform in mirror.settings.platforms}


def run(mirror: Mirror) -> Outcome:
    """From the lock to the published site."""
    gather(mirror)
    return publish(mirror)


def publish(mirror: Mirror) -> Outcome:
    """From the wheel sets to the published site."""
    index.make_index(mirror)
    return publication.publish(mirror).outcome


def tree(root: Path, *, without: Sequence[str] = ()) -> Mapping[str, str]:
    """Path → digest, or target of a link (not followed), of all that lies below a folder."""
    found = {}
    for folder, names, files in os.walk(root):
        for path in (Path(folder, name) for name in (*names, *files)):
            key = path.relative_to(root).as_posix()
            if key.startswith(tuple(without)):
                continue
            if path.is_symlink():
                found[key] = f"link to {path.readlink()}"
            elif path.is_file():
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[key] = "directory"
    return found


def published(site: Path) -> Mapping[str, str]:
    """Key → digest of everything that a client can get from a site."""
    pages = {k: v for k, v in tree(site.resolve()).items() if v != "directory" and k != "packages"}
    packages = tree((site / "packages").resolve())
    return {**pages, **{f"packages/{name}": digest for name, digest in packages.items()}}
