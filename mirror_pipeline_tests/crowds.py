"""A project with any number of pins, as big ones are: for tests and benchmarks of growth.

    crowd = make_crowd(1000)
    crowd.lock("https://index.example/simple/")     # the text of its uv.lock
    crowd.dists                                     # real wheels, a little over two for each pin

Of twenty pins seventeen are pure, two have one wheel for each of four platforms (abi3), and one has a wheel
for each of four platforms and four Pythons. Each needs up to four others, the popular ones most often, some
of them under a marker or with an extra; the project wants every tenth, and what nobody else wants. It has two
groups and two extras. The same number gives the same crowd, byte for byte.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mirror_pipeline_tests.wheels import PURE, Dist, wheel

VERSION = "2.1"
PLATFORM_TAGS = (
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "macosx_11_0_arm64",
    "win_amd64",
)
PYTHON_TAGS = ("cp311-cp311", "cp312-cp312", "cp313-cp313", "cp314-cp314")
MARKERS = (
    "sys_platform == 'win32'",
    "sys_platform != 'darwin'",
    "python_full_version < '3.13'",
    "platform_machine == 'x86_64' and sys_platform == 'linux'",
    "platform_python_implementation != 'PyPy'",
)
EXTRA = "fast"
_GROUPS = ("dev", "docs")
_EXTRAS = ("gpu", "postgres")


@dataclass(frozen=True)
class Want:
    """One dependency: the number of what is wanted, for its extra or not, under a marker or not."""

    number: int
    marker: str = ""
    extra: bool = False


@dataclass(frozen=True)
class Member:
    """One pin: its files, and what it needs, also for its extra."""

    name: str
    dists: tuple[Dist, ...]
    needs: tuple[Want, ...]
    optional: tuple[Want, ...]


@dataclass(frozen=True)
class Crowd:
    """All pins of the project."""

    members: tuple[Member, ...]

    @property
    def dists(self) -> Iterator[Dist]:
        """Every file that the lock names."""
        return (dist for member in self.members for dist in member.dists)

    @property
    def roots(self) -> Mapping[str, Sequence[int]]:
        """What the project itself wants: of its own ('' for main), and for its groups and extras."""
        wanted = {want.number for member in self.members for want in (*member.needs, *member.optional)}
        numbers = [number for number in range(len(self.members)) if number % 10 == 0 or number not in wanted]
        kinds = ("", "", "", "", "", "", *_GROUPS, *_EXTRAS)
        chosen: dict[str, list[int]] = {kind: [] for kind in kinds}
        for place, number in enumerate(numbers):
            chosen[kinds[place % len(kinds)]].append(number)
        return chosen

    def lock(self, index: str) -> str:
        """The uv.lock, its files beside the index at ``files/``."""
        files = f"{index.rstrip('/').rpartition('/')[0]}/files"
        parts = ['version = 1\nrevision = 3\nrequires-python = ">=3.11"\n', self._project()]
        parts += [self._package(member, index, files) for member in self.members]
        return "\n".join(parts)

    def _project(self) -> str:
        roots = {kind: self._wants([Want(n) for n in numbers]) for kind, numbers in self.roots.items()}
        sections = (("optional-dependencies", _EXTRAS), ("dev-dependencies", _GROUPS))
        more = "".join(
            f"\n[package.{section}]\n" + "".join(f"{name}{roots[name]}" for name in names)
            for section, names in sections
        )
        provided = "".join(f'"{name}", ' for name in _EXTRAS)
        return (
            '[[package]]\nname = "crowd"\nversion = "1.0"\nsource = { virtual = "." }\n'
            f"dependencies{roots['']}{more}\n[package.metadata]\nprovides-extras = [{provided}]\n"
        )

    def _package(self, member: Member, index: str, files: str) -> str:
        needs = f"dependencies{self._wants(member.needs)}" if member.needs else ""
        extra = ""
        if member.optional:
            extra = f"\n[package.optional-dependencies]\n{EXTRA}{self._wants(member.optional)}"
        wheels = "".join(
            f'    {{ url = "{files}/{dist.file}", hash = "sha256:{dist.sha256}", size = {dist.size} }},\n'
            for dist in member.dists
        )
        return (
            f'[[package]]\nname = "{member.name}"\nversion = "{VERSION}"\n'
            f'source = {{ registry = "{index}" }}\n{needs}wheels = [\n{wheels}]\n{extra}'
        )

    def _wants(self, wants: Sequence[Want]) -> str:
        lines = []
        for want in wants:
            extra = f', extra = ["{EXTRA}"]' if want.extra else ""
            marker = f", marker = {json.dumps(want.marker)}" if want.marker else ""
            lines.append(f'    {{ name = "{self.members[want.number].name}"{extra}{marker} }},\n')
        return f" = [\n{''.join(lines)}]\n"


def make_crowd(count: int) -> Crowd:
    """So many pins."""
    return Crowd(tuple(_member(number, count) for number in range(count)))


def name_of(number: int) -> str:
    """The project with a number."""
    return f"member-{number:05}"


def _member(number: int, count: int) -> Member:
    chance = random.Random(number)  # noqa: S311 - always the same
    wanted = dict.fromkeys(_later(number, count, chance) for _ in range(chance.randrange(5)))
    wants = tuple(_want(other, chance) for other in wanted if other is not None)
    optional = (Want(number + 3),) if _has_extra(number, count) else ()
    return Member(name_of(number), _dists(number, wants), wants, optional)


def _later(number: int, count: int, chance: random.Random) -> int | None:
    """One of those with a higher number, so that there is no circle; the last ones are the popular ones."""
    rest = count - number - 1
    return number + 1 + int(rest * chance.random() ** 0.3) if rest else None


def _want(number: int, chance: random.Random) -> Want:
    marker = chance.choice(MARKERS) if chance.random() < 0.15 else ""
    return Want(number, marker, extra=number % 25 == 0 and chance.random() < 0.5)


def _has_extra(number: int, count: int) -> bool:
    return number % 25 == 0 and number + 3 < count


def _dists(number: int, wants: Sequence[Want]) -> tuple[Dist, ...]:
    requires = [f"{name_of(want.number)} ; {want.marker}".removesuffix(" ; ") for want in wants]
    tags: Sequence[str] = (PURE,)
    if number % 20 in (7, 13):
        tags = [f"cp311-abi3-{platform}" for platform in PLATFORM_TAGS]
    elif number % 20 == 19:
        tags = [f"{python}-{platform}" for python in PYTHON_TAGS for platform in PLATFORM_TAGS]
    return tuple(
        wheel(name_of(number), VERSION, tag, requires_python=">=3.9", requires=requires) for tag in tags
    )
