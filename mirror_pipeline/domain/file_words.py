"""Where a file runs, in words: the tags of its name (PEP 425, 513, 600, 656) as people say them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from mirror_pipeline.domain.target import LEGACY_MANYLINUX

ANY = "Any platform"
SOURCE = "Source"

_ARCHITECTURES = {
    "x86_64": "x86-64", "amd64": "x86-64", "aarch64": "ARM64", "arm64": "ARM64", "i686": "x86", "i386": "x86",
    "universal2": "Intel and Apple silicon",
}  # fmt: skip
_WINDOWS = {"win_amd64": "Windows x86-64", "win_arm64": "Windows ARM64", "win32": "Windows x86"}
_LIBC = re.compile(r"(many|musl)linux_(\d+)_(\d+)_(.+)")
_LEGACY = re.compile(rf"({'|'.join(LEGACY_MANYLINUX)})_(.+)")
_MACOS = re.compile(r"macosx_(\d+)_(\d+)_(.+)")
_INTERPRETER = re.compile(r"(py|cp|pp)(\d)(\d*)")
_NAMES = {"py": "Python", "cp": "CPython", "pp": "PyPy"}
_ORDER = (ANY, "Linux", "macOS", "Windows", "", SOURCE)


def runs_on(file: str) -> tuple[str, str]:
    """Platform and Python of a file, in words."""
    if not file.endswith(".whl"):
        return SOURCE, ""
    parts = file.removesuffix(".whl").rsplit("-", 3)
    return _words(*parts[1:]) if len(parts) == 4 else ("", "")


def place_of(platform: str) -> int:
    """Where a platform's words stand in a list: what runs anywhere first, source last."""
    known = (place for place, start in enumerate(_ORDER) if start and platform.startswith(start))
    return next(known, _ORDER.index(""))


@lru_cache(maxsize=4096)
def _words(interpreters: str, abis: str, platforms: str) -> tuple[str, str]:
    return _platforms(platforms.split(".")), _pythons(interpreters.split("."), abis.split("."))


def _platforms(tags: Iterable[str]) -> str:
    """Of several C libraries, or releases of macOS, the oldest: newer ones run it too."""
    found: dict[str, tuple[int, int]] = {}
    for tag in tags:
        words, release = _platform(tag)
        found[words] = min(release, found.get(words, release))
    return " / ".join(words.format(".".join(map(str, release))) for words, release in found.items())


def _platform(tag: str) -> tuple[str, tuple[int, int]]:
    """The words, with a gap for the release that is needed at least."""
    if match := _LIBC.fullmatch(tag):
        libc = "glibc" if match[1] == "many" else "musl"
        return f"Linux {_architecture(match[4])}, {libc} {{}}+", (int(match[2]), int(match[3]))
    if match := _LEGACY.fullmatch(tag):
        return f"Linux {_architecture(match[2])}, glibc {{}}+", (2, LEGACY_MANYLINUX[match[1]])
    if match := _MACOS.fullmatch(tag):
        return f"macOS {{}}+, {_architecture(match[3])}", (int(match[1]), int(match[2]))
    if tag.startswith("linux_"):
        return f"Linux {_architecture(tag.removeprefix('linux_'))}", (0, 0)
    return ANY if tag == "any" else _WINDOWS.get(tag, tag), (0, 0)


def _architecture(tag: str) -> str:
    return _ARCHITECTURES.get(tag, tag)


def _pythons(interpreters: Iterable[str], abis: Iterable[str]) -> str:
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
