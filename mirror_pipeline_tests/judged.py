"""The mirror that judges by others look at: every kind of file that a page has something to say of.

``judged_mirror`` makes it with the phases, as ``phases.world`` does. What judges have to find is told by
``Offer``, from the bytes of a file and from what the upstream was made to say of it, never from our pages.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from mirror_pipeline.adapters.server import serving
from mirror_pipeline.domain.target import PLATFORMS as KNOWN
from mirror_pipeline.domain.target import Python, Target
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline_tests.locks import LockedPackage
from mirror_pipeline_tests.mirrors import clean_environment
from mirror_pipeline_tests.phases.world import World, locked, run
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, sdist, wheel

PLATFORMS = ("linux-x86_64", "linux-aarch64", "macos-arm64", "windows-amd64", "musllinux-x86_64")
PYTHONS = ("3.11", "3.12", "3.13t")
SETTINGS = {
    "MIRROR_PLATFORMS": ",".join(PLATFORMS),
    "MIRROR_PYTHONS": ",".join(PYTHONS),
    "MIRROR_SDISTS": "always",
}
REASON = 'crashes on "x86" & <Windows>: see <https://bugs.example/ü?a=1&amp;b=2>'
"""Why something was withdrawn, in words that HTML and JSON have to quote, a reference of HTML among them."""

MACHINES = {
    "linux-x86_64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "linux-aarch64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "macos-arm64": ("macosx_15_0_arm64",),
    "windows-amd64": ("win_amd64",),
    "musllinux-x86_64": ("musllinux_1_2_x86_64",),
}
"""What a machine of each platform can install, best first."""
TARGETS = tuple(Target(KNOWN[platform], Python.parse(python)) for platform in PLATFORMS for python in PYTHONS)
BEST_OF_NATIVE = {
    "linux-x86_64/3.11": "cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-x86_64/3.12": "cp312-cp312-manylinux_2_28_x86_64",
    "linux-x86_64/3.13t": "cp313-cp313t-manylinux_2_28_x86_64",
    "linux-aarch64/3.11": "cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "linux-aarch64/3.12": "cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "linux-aarch64/3.13t": "py3-none-any",
    "macos-arm64/3.11": "cp310-abi3-macosx_11_0_arm64",
    "macos-arm64/3.12": "cp312-cp312-macosx_14_0_arm64",
    "macos-arm64/3.13t": "py3-none-any",
    "windows-amd64/3.11": "cp310-abi3-win_amd64",
    "windows-amd64/3.12": "cp310-abi3-win_amd64",
    "windows-amd64/3.13t": "py3-none-any",
    "musllinux-x86_64/3.11": "cp310-abi3-musllinux_1_2_x86_64",
    "musllinux-x86_64/3.12": "cp310-abi3-musllinux_1_2_x86_64",
    "musllinux-x86_64/3.13t": "py3-none-any",
}
"""Target → the tag of the best file of ``native`` there, on such a machine."""
_NATIVE_TAGS = (
    "cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp312-cp312-manylinux_2_28_x86_64",
    "cp312-cp312-manylinux_2_34_x86_64",
    "cp313-cp313t-manylinux_2_28_x86_64",
    "cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "cp310-abi3-macosx_11_0_arm64",
    "cp312-cp312-macosx_14_0_arm64",
    "cp310-abi3-win_amd64",
    "cp310-abi3-musllinux_1_2_x86_64",
    "py3-none-any",
)


def abi_of(target: Target) -> str:
    """``cp312``, or ``cp313t``."""
    return f"cp{target.python}".replace(".", "")


@dataclass(frozen=True)
class Offer:
    """A file that upstream offers, and what it says of it besides the bytes."""

    dist: Dist
    yanked: str | bool = False
    upload_time: str | None = None

    @property
    def project(self) -> str:
        """The project, normalized."""
        return self.dist.project

    @cached_property
    def metadata(self) -> bytes | None:
        """A wheel's own METADATA; an sdist has none that may be promised (PEP 658)."""
        if not self.dist.file.endswith(".whl"):
            return None
        with zipfile.ZipFile(io.BytesIO(self.dist.content)) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return archive.read(name)

    @property
    def metadata_sha256(self) -> str | None:
        """Digest of that."""
        return None if self.metadata is None else hashlib.sha256(self.metadata).hexdigest()


ALPHA = Offer(wheel("alpha", requires_python=">=3.8,<4,!=3.9.*"), upload_time="2024-05-06T07:08:09.123456Z")
ALPHA_SOURCE = Offer(sdist("alpha", requires_python=">=3.8,<4,!=3.9.*"), upload_time="2024-05-06T07:09:00Z")
NATIVE = tuple(Offer(wheel("native", "2.0+cpu.1", tag, payload=3000)) for tag in _NATIVE_TAGS)
OLDER = Offer(wheel("twice", "1.0", requires_python=">=3.8"), upload_time="2020-01-01T00:00:00Z")
NEWER = Offer(wheel("twice", "2.0", requires_python=">=3.12"))
WITHDRAWN = Offer(wheel("withdrawn"), yanked=REASON)
PULLED = Offer(wheel("pulled"), yanked=True)
ONLY_WINDOWS = Offer(wheel("only-windows", "0.3"))
DOTTED = Offer(wheel("Dotted.Name_x", "3.1", requires=["alpha"]))
EPOCH = Offer(wheel("epoch", "1!2.0.post1"))
PREVIEW = Offer(wheel("preview", "4.0rc1"))
CHECKER = Offer(wheel("checker", "7.0", requires=["alpha>=1", "twice ; extra == 'more'"]))

OFFERED = (
    *(ALPHA, ALPHA_SOURCE, *NATIVE, OLDER, NEWER, WITHDRAWN, PULLED, ONLY_WINDOWS),
    *(DOTTED, EPOCH, PREVIEW, CHECKER),
)


@dataclass(frozen=True)
class Facts:
    """What a page says of a file, in one form for all judges; None is what it has no word for."""

    file: str
    sha256: str
    requires_python: str | None
    yanked: str | bool
    metadata_sha256: str | None
    size: int | None = None
    upload_time: datetime | None = None


def facts_of(offer: Offer) -> Facts:
    """What a judge has to find out about a file."""
    return Facts(
        file=offer.dist.file,
        sha256=offer.dist.sha256,
        requires_python=offer.dist.requires_python,
        yanked=offer.yanked,
        metadata_sha256=offer.metadata_sha256,
        size=offer.dist.size,
        upload_time=time_of(offer.upload_time),
    )


def time_of(text: str | None) -> datetime | None:
    """A time as pages spell it (PEP 700)."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def without_what_html_lacks(facts: Facts) -> Facts:
    """HTML pages have no sizes and times (PEP 700)."""
    return replace(facts, size=None, upload_time=None)


def offered() -> Mapping[str, tuple[Offer, ...]]:
    """Project → its files in the order of their names."""
    names = sorted({offer.project for offer in OFFERED})
    ordered = sorted(OFFERED, key=lambda offer: offer.dist.file)
    return {name: tuple(offer for offer in ordered if offer.project == name) for name in names}


def _locked(*offers: Offer, markers: str = "", groups: tuple[str, ...] = ("main",)) -> LockedPackage:
    return locked(*(offer.dist for offer in offers), markers=markers, groups=groups)


_LOCK = (
    _locked(ALPHA, ALPHA_SOURCE),
    _locked(*NATIVE),
    _locked(OLDER, markers='python_version < "3.12"'),
    _locked(NEWER, markers='python_version >= "3.12"'),
    _locked(WITHDRAWN),
    _locked(PULLED),
    _locked(ONLY_WINDOWS, markers='sys_platform == "win32"'),
    _locked(DOTTED),
    _locked(EPOCH),
    _locked(PREVIEW),
    _locked(CHECKER, groups=("dev",)),
)


@dataclass(frozen=True)
class Judged:
    """A published mirror and where it is served; its upstream is gone."""

    mirror: Mirror
    site: Path
    url: str
    """The base URL, without a slash at its end."""

    @property
    def index(self) -> str:
        """The index URL, as clients have it."""
        return f"{self.url}/simple/"

    def page(self, project: str) -> str:
        """URL of a project page."""
        return f"{self.index}{project}/"


@contextmanager
def judged_mirror(root: Path) -> Iterator[Judged]:
    """Mirror everything that is offered, close the upstream, and serve the mirror."""
    world = made(root)
    with serving(world.site) as url:
        yield Judged(world.mirror(**SETTINGS), world.site, url)


def made(root: Path, told: Callable[[FakeUpstream], None] = lambda _: None, **settings: str) -> World:
    """A folder with the mirror of everything that is offered, published; its upstream is gone.

    ``told`` makes the upstream say more than files.
    """
    with clean_environment(), FakeUpstream() as upstream:
        for offer in OFFERED:
            upstream.add(offer.dist, yanked=offer.yanked, upload_time=offer.upload_time)
        told(upstream)
        world = World(root, upstream)
        world.lock(*_LOCK)
        run(world.mirror(**SETTINGS, **settings))
        return world
