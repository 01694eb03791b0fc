"""Targets: one platform × one Python, as a marker environment (PEP 508) and compatibility tags (PEP 425).

What belongs here: everything that is true of a target without looking at a lock. Nothing in here
asks the running interpreter or machine: a mirror made on Linux must hold what Windows asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

NOARCH = "noarch"

# A wheel is kept whatever C library or macOS it wants (older and newest machines are both served), so
# the lists go beyond what exists today: a tag too many matches nothing.
_NEWEST_GLIBC_MINOR = 60
_NEWEST_MUSL_MINOR = 6
_NEWEST_MACOS = 40

# The names that manylinux had before PEP 600 put the release of the C library into them.
LEGACY_MANYLINUX: Mapping[str, int] = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
"""Name → the minor release of glibc 2 that it stands for (PEP 513, 571, 599)."""

# Markers can ask for the patch release. Judged are the first and a last one beyond any that will exist.
_FIRST_AND_LAST_PATCH = (0, 99)

# CPython minor → the month its support ends (PEP 569, 596, 619, 664, 693, 719, 745).
_END_OF_LIFE: Mapping[int, tuple[int, int]] = {
    8: (2024, 10),
    9: (2025, 10),
    10: (2026, 10),
    11: (2027, 10),
    12: (2028, 10),
    13: (2029, 10),
    14: (2030, 10),
}
_FIRST_FREE_THREADED_MINOR = 13

# Beginnings of what other interpreters are called, in configuration files and in tags (PEP 425).
_OTHER_INTERPRETERS = {
    "pypy": "PyPy",
    "pp": "PyPy",
    "graalpy": "GraalPy",
    "jython": "Jython",
    "jy": "Jython",
    "ironpython": "IronPython",
    "ip": "IronPython",
    "micropython": "MicroPython",
    "pyston": "Pyston",
    "pyodide": "Pyodide",
}


@dataclass(frozen=True, slots=True)
class Platform:
    """A partition key and what markers and tags say of machines of that kind."""

    name: str
    sys_platform: str
    os_name: str
    platform_system: str
    platform_machine: str
    tag_arch: str
    libc: str = ""

    @property
    def marker(self) -> Marker:
        """What is true of machines of that kind, as a marker (PEP 508). It cannot tell musl from glibc."""
        return Marker(
            f'sys_platform == "{self.sys_platform}" and platform_machine == "{self.platform_machine}"'
        )

    @property
    def platform_tags(self) -> tuple[str, ...]:
        """Platform tags (PEP 425, 513, 571, 599, 600, 656) from the newest to the oldest."""
        if self.platform_system == "Linux":
            return tuple(_linux_tags(self.libc, self.tag_arch))
        if self.platform_system == "Darwin":
            return tuple(mac_platforms((_NEWEST_MACOS, 0), self.tag_arch))
        return (self.tag_arch,)


def _linux_tags(libc: str, arch: str) -> Iterator[str]:
    if libc == "musl":
        yield from (f"musllinux_1_{minor}_{arch}" for minor in range(_NEWEST_MUSL_MINOR, -1, -1))
    else:
        legacy = {minor: name for name, minor in LEGACY_MANYLINUX.items()}
        oldest = 5 if arch == "x86_64" else 17  # arm64 has no ABI older than manylinux2014
        for minor in range(_NEWEST_GLIBC_MINOR, oldest - 1, -1):
            yield f"manylinux_2_{minor}_{arch}"
            if minor in legacy:
                yield f"{legacy[minor]}_{arch}"
    yield f"linux_{arch}"


PLATFORMS: Mapping[str, Platform] = {
    platform.name: platform
    for platform in (
        Platform("linux-x86_64", "linux", "posix", "Linux", "x86_64", "x86_64"),
        Platform("linux-aarch64", "linux", "posix", "Linux", "aarch64", "aarch64"),
        Platform("macos-arm64", "darwin", "posix", "Darwin", "arm64", "arm64"),
        Platform("windows-amd64", "win32", "nt", "Windows", "AMD64", "win_amd64"),
        Platform("macos-x86_64", "darwin", "posix", "Darwin", "x86_64", "x86_64"),
        Platform("windows-arm64", "win32", "nt", "Windows", "ARM64", "win_arm64"),
        Platform("musllinux-x86_64", "linux", "posix", "Linux", "x86_64", "x86_64", "musl"),
        Platform("musllinux-aarch64", "linux", "posix", "Linux", "aarch64", "aarch64", "musl"),
    )
}
DEFAULT_PLATFORMS = ("linux-x86_64", "linux-aarch64", "macos-arm64", "windows-amd64", NOARCH)


@dataclass(frozen=True, slots=True, order=True)
class Python:
    """A CPython minor version; ``3.13t`` is the free-threaded build (PEP 703)."""

    minor: int
    free_threaded: bool = False

    def __str__(self) -> str:
        return f"3.{self.minor}{'t' if self.free_threaded else ''}"

    @classmethod
    def parse(cls, text: str) -> Python:
        """Read ``3.12`` or ``3.13t``; anything else is a ``ValueError`` that says what is allowed."""
        stem, free_threaded = (text[:-1], True) if text.endswith("t") else (text, False)
        known = {f"3.{minor}": minor for minor in _END_OF_LIFE}
        if stem not in known:
            raise ValueError(_allowed(text))
        if free_threaded and known[stem] < _FIRST_FREE_THREADED_MINOR:
            raise ValueError(f"free-threaded CPython from 3.{_FIRST_FREE_THREADED_MINOR}t on")
        return cls(known[stem], free_threaded)

    @property
    def within(self) -> tuple[str, str]:
        """The first and the last conceivable full version of this minor."""
        first, last = _FIRST_AND_LAST_PATCH
        return f"3.{self.minor}.{first}", f"3.{self.minor}.{last}"

    def allowed_by(self, requires_python: str) -> bool:
        """Whether some patch release of this Python satisfies a PEP 440 specifier ('' allows all)."""
        specifier = SpecifierSet(requires_python)
        first, last = _FIRST_AND_LAST_PATCH
        patches = (f"3.{self.minor}.{patch}" for patch in range(first, last + 1))
        return any(specifier.contains(version, prereleases=True) for version in patches)


def _allowed(text: str) -> str:
    """What may be asked for; another interpreter is named, so that nobody thinks it was overlooked."""
    free_threaded = [f"3.{minor}t" for minor in _END_OF_LIFE if minor >= _FIRST_FREE_THREADED_MINOR]
    allowed = ", ".join([*(f"3.{minor}" for minor in _END_OF_LIFE), *free_threaded])
    starts = (name for start, name in _OTHER_INTERPRETERS.items() if text.lower().startswith(start))
    other = next(starts, None)
    return f"CPython only ({other} is not mirrored): {allowed}" if other else f"CPython {allowed}"


def supported_pythons(today: date) -> tuple[Python, ...]:
    """Every CPython whose support has not ended before the month of ``today``, oldest first."""
    month = (today.year, today.month)
    return tuple(Python(minor) for minor, end in _END_OF_LIFE.items() if end >= month)


def known_pythons() -> tuple[Python, ...]:
    """Every CPython a mirror can be made for, oldest first, without the free-threaded builds."""
    return tuple(Python(minor) for minor in _END_OF_LIFE)


@dataclass(frozen=True, slots=True)
class Target:
    """One platform × one Python."""

    platform: Platform
    python: Python

    def __str__(self) -> str:
        return f"{self.platform.name}/{self.python}"

    @property
    def environments(self) -> tuple[Mapping[str, str], ...]:
        """Marker environments (PEP 508) at both ends of the patch range; what either wants is wanted."""
        return tuple(self._environment(version) for version in self.python.within)

    def _environment(self, full_version: str) -> Mapping[str, str]:
        return {
            "implementation_name": "cpython",
            "implementation_version": full_version,
            "os_name": self.platform.os_name,
            "platform_machine": self.platform.platform_machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": self.platform.platform_system,
            "platform_version": "",
            "python_full_version": full_version,
            "python_version": f"3.{self.python.minor}",
            "sys_platform": self.platform.sys_platform,
        }

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Compatible tags, best first (PEP 425). abi3 is never among those of a free-threaded build."""
        return _tags(self.platform, self.python)


@lru_cache(maxsize=256)
def _tags(platform: Platform, python: Python) -> tuple[Tag, ...]:
    version, platforms = (3, python.minor), platform.platform_tags
    abi = f"cp3{python.minor}{'t' if python.free_threaded else ''}"
    interpreter = f"cp3{python.minor}"
    own = cpython_tags(version, abis=[abi], platforms=platforms)
    return (*own, *compatible_tags(version, interpreter=interpreter, platforms=platforms))


def targets_of(platforms: Iterable[str], pythons: Sequence[Python]) -> tuple[Target, ...]:
    """Every real platform × every Python; ``noarch`` has no target of its own."""
    real = [PLATFORMS[name] for name in platforms if name != NOARCH]
    return tuple(Target(platform, python) for platform in real for python in pythons)
