"""Where a file runs, in words: the tags of its name (PEP 425, 513, 600, 656) as people say them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mirror_pipeline.domain.target import LEGACY_MANYLINUX, Python

ANY = "Any platform"
SOURCE = "Source"

_ARCHITECTURES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "ARM64", "arm64": "ARM64", "i686": "x86"}
_BOTH_MACS = "universal2"
_WINDOWS = {"win_amd64": "Windows x86-64", "win_arm64": "Windows ARM64", "win32": "Windows x86"}
_LIBC = re.compile(r"(many|musl)linux_(\d+)_(\d+)_(.+)")
_LEGACY = re.compile(rf"({'|'.join(LEGACY_MANYLINUX)})_(.+)")
_MACOS = re.compile(r"macosx_(\d+)_(\d+)_(.+)")
_INTERPRETER = re.compile(r"(py|cp|pp)(\d)(\d*)")
_NAMES = {"py": "Python", "cp": "CPython", "pp": "PyPy"}
_ORDER = (ANY, "Linux x86-64", "Linux", "macOS", "Windows x86-64", "Windows", "", SOURCE)
_OPERATORS = re.compile(r"[<>=!~]=?=?")


@dataclass(frozen=True, slots=True)
class Words:
    """``platform`` is what files are told apart by first (``Linux x86-64``), ``needs`` the rest."""

    platform: str
    needs: str

    @property
    def place(self) -> int:
        """Where it stands in a list: what runs anywhere first, source last."""
        known = (place for place, start in enumerate(_ORDER) if start and self.platform.startswith(start))
        return next(known, _ORDER.index(""))


def runs_on(file: str) -> Words:
    """Where a file runs."""
    if not file.endswith(".whl"):
        return Words(SOURCE, "to be built")
    parts = file.removesuffix(".whl").rsplit("-", 3)
    return _words(*parts[1:]) if len(parts) == 4 else Words("", "")


@lru_cache(maxsize=4096)
def _words(interpreters: str, abis: str, platforms: str) -> Words:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for tag in platforms.split("."):
        platform, system, release = _platform(tag)
        known = found.get((platform, system), release)
        found[platform, system] = min(release, known)  # of several, the oldest: newer ones run it too
    both = {key: release for key, release in found.items() if key[1].endswith(_BOTH_MACS)}
    found = both or found  # such a wheel also names the two that it is made of
    needs = " or ".join(_least(system, release) for (_, system), release in found.items() if system)
    python = _pythons(interpreters.split("."), abis.split("."))
    platform = " / ".join(dict.fromkeys(name for name, _ in found))
    return Words(platform, ", ".join(filter(None, (python, needs))))


def _platform(tag: str) -> tuple[str, str, tuple[int, int]]:
    """Platform, what it needs with a gap for the least release of that, and that release."""
    if match := _LIBC.fullmatch(tag):
        libc = "glibc {}+" if match[1] == "many" else "musl {}+"
        return f"Linux {_architecture(match[4])}", libc, (int(match[2]), int(match[3]))
    if match := _LEGACY.fullmatch(tag):
        return f"Linux {_architecture(match[2])}", "glibc {}+", (2, LEGACY_MANYLINUX[match[1]])
    if match := _MACOS.fullmatch(tag):
        return "macOS", f"{{}}+ on {_architecture(match[3])}", (int(match[1]), int(match[2]))
    if tag.startswith("linux_"):
        return f"Linux {_architecture(tag.removeprefix('linux_'))}", "", (0, 0)
    return ANY if tag == "any" else _WINDOWS.get(tag, tag), "", (0, 0)


def _least(system: str, release: tuple[int, int]) -> str:
    return system.format(".".join(map(str, release))).replace(_BOTH_MACS, "Intel and ARM64")


def _architecture(tag: str) -> str:
    return _ARCHITECTURES.get(tag, tag)


def _pythons(interpreters: Iterable[str], abis: Sequence[str]) -> str:
    """``cp310-abi3`` is CPython 3.10 and newer, ``cp313-cp313t`` the build without the lock."""
    stable, free = "abi3" in abis, any(re.fullmatch(r"cp3\d+t", abi) for abi in abis)
    words = [_interpreter(tag, newer=stable, free=free) for tag in interpreters]
    return " / ".join(dict.fromkeys(words))


def _interpreter(tag: str, *, newer: bool, free: bool) -> str:
    match = _INTERPRETER.fullmatch(tag)
    if match is None:
        return tag
    version = f"{match[2]}.{match[3]}" if match[3] else match[2]
    more = "+" if newer or (match[1] == "py" and match[3]) else "t" if free else ""
    return f"{_NAMES[match[1]]} {version}{more}"


def pythons_in_words(pythons: Sequence[str]) -> str:
    """``3.10 to 3.14`` where none between them is left out; free-threaded builds are named one by one."""
    known = [python for python in map(Python.parse, pythons) if not python.free_threaded]
    minors = [python.minor for python in known]
    if len(minors) < 3 or minors != list(range(minors[0], minors[-1] + 1)):
        return ", ".join(pythons)
    rest = [python for python in pythons if Python.parse(python).free_threaded]
    return ", ".join([f"{known[0]} to {known[-1]}", *rest])


@lru_cache(maxsize=4096)
def bounds_in_words(requires_python: str) -> str:
    """A specifier (PEP 440) with the lower bounds first."""
    parts = [part.strip() for part in requires_python.split(",")]
    return ", ".join(sorted(filter(None, parts), key=lambda part: _rank(_OPERATORS.match(part))))


def _rank(operator: re.Match[str] | None) -> int:
    return 0 if operator is None or operator[0] in (">=", ">", "~=", "==", "===") else 1
