"""Our locks (PEP 751), judged by a schema, by ``packaging`` as installers use it, and by where they lead."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import tomli
from jsonschema import ValidationError
from packaging.pylock import Pylock, is_valid_pylock_path
from packaging.tags import compatible_tags, cpython_tags

from mirror_pipeline.domain.target import Target
from mirror_pipeline_tests.judged import BEST_OF_NATIVE, MACHINES, OFFERED, TARGETS, abi_of, made
from mirror_pipeline_tests.phases.world import World
from mirror_pipeline_tests.pylock_schema import FILE_NAME, pylock_validator

PUBLIC = "https://mirror.example/wheels"
CONTENTS = {offer.dist.file: offer.dist for offer in OFFERED}

Document = dict[str, Any]


@pytest.fixture(scope="module", params=["", PUBLIC], ids=["no address", "an address"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The mirror, as one that does not know its address and as one that does."""
    return made(tmp_path_factory.mktemp("locks"), MIRROR_PUBLIC_URL=request.param)


def locks_of(world: World) -> Mapping[Path, Document]:
    """Every lock that the pipeline wrote: the published ones, and the one for people to keep."""
    paths = [*world.site.glob("pylock/*"), *world.home.rglob("pylock.toml")]
    return {path: tomli.loads(path.read_text(encoding="utf-8")) for path in paths}


def test_there_is_a_lock_for_every_platform_and_one_of_all(world: World) -> None:
    names = {path.name for path in locks_of(world)}
    assert names == {"pylock.toml", *(f"pylock.{platform}.toml" for platform in MACHINES)}
    assert all(FILE_NAME.fullmatch(name) and is_valid_pylock_path(Path(name)) for name in names)


def test_the_schema_has_nothing_against_them(world: World) -> None:
    for path, document in locks_of(world).items():
        errors = [
            f"{path.name}: {error.json_path}: {error.message}"
            for error in pylock_validator.iter_errors(document)
        ]
        assert errors == []


def test_packaging_reads_them(world: World) -> None:
    for document in locks_of(world).values():
        assert Pylock.from_dict(document).to_dict() == document


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_packaging_selects_the_best_file_for_every_target(world: World, target: Target) -> None:
    path = world.site / "pylock" / f"pylock.{target.platform.name}.toml"
    lock = Pylock.from_dict(tomli.loads(path.read_text(encoding="utf-8")))
    version, platforms = (3, target.python.minor), list(MACHINES[target.platform.name])
    if target.platform.sys_platform == "darwin":
        platforms = [f"macosx_{release}_0_arm64" for release in range(15, 10, -1)]
    tags = [
        *cpython_tags(version, abis=[abi_of(target)], platforms=platforms),
        *compatible_tags(version, interpreter=f"cp3{target.python.minor}", platforms=platforms),
    ]

    environment: Any = target.environments[0]
    chosen = {package.name: found for package, found in lock.select(environment=environment, tags=tags)}

    files: dict[str, Any] = {name: getattr(found, "name", None) for name, found in chosen.items()}
    assert files["native"] == f"native-2.0+cpu.1-{BEST_OF_NATIVE[str(target)]}.whl"
    assert files["alpha"] == "alpha-1.0-py3-none-any.whl"
    newer = target.python.minor >= 12
    assert files["twice"] == f"twice-{'2.0' if newer else '1.0'}-py3-none-any.whl"
    assert ("only-windows" in files) is (target.platform.name == "windows-amd64")
    assert set(files.values()) <= set(CONTENTS)


def test_every_file_of_a_published_lock_is_where_it_says(world: World) -> None:
    named = set()
    for path in world.site.glob("pylock/*"):
        document = tomli.loads(path.read_text(encoding="utf-8"))
        for package in document["packages"]:
            for file in (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())):
                dist = CONTENTS[file["name"]]
                assert file["hashes"] == {"sha256": dist.sha256}
                assert file["size"] == dist.size
                assert package["version"] == dist.version
                if "path" in file:
                    content = (path.parent / file["path"]).read_bytes()
                    assert hashlib.sha256(content).hexdigest() == dist.sha256
                if "url" in file:
                    assert unquote(file["url"]) == f"{PUBLIC}/packages/{dist.file}"
                named.add(dist.file)
    assert named == set(CONTENTS)


def removed(*keys: str) -> Callable[[Document], None]:
    def apply(document: Document) -> None:
        for key in keys:
            document.pop(key, None)

    return apply


def changed(key: str, value: object) -> Callable[[Document], None]:
    return lambda document: document.update({key: value})


def first(change: Callable[[Document], None], *path: str | int) -> Callable[[Document], None]:
    """Change what lies at the end of a path in the first package."""

    def apply(document: Document) -> None:
        place: Any = document["packages"][0]
        for step in path:
            place = place[step]
        change(place)

    return apply


SPOILED = {
    "no version of the format": removed("lock-version"),
    "another version of the format": changed("lock-version", "2.0"),
    "a key that nobody knows": changed("pakcages", []),
    "nobody who made it": removed("created-by"),
    "packages that are no list": changed("packages", {}),
    "an extra that is not normalized": changed("extras", ["Not_Normalized"]),
    "a package without a name": first(removed("name")),
    "a name that is not normalized": first(changed("name", "Al.pha")),
    "a package from nowhere": first(removed("wheels", "sdist")),
    "two kinds of sources": first(changed("directory", {"path": "."})),
    "a file without a hash": first(removed("hashes"), "wheels", 0),
    "a hash that is none": first(changed("sha256", "zz"), "wheels", 0, "hashes"),
    "a file that is nowhere": first(removed("path", "url"), "sdist"),
    "a size in words": first(changed("size", "large"), "wheels", 0),
    "a time in words": first(changed("upload-time", "2024-01-01T00:00:00Z"), "wheels", 0),
    "a relative URL": first(changed("url", "../packages/alpha.whl"), "wheels", 0),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_the_schema_would_see_what_is_wrong(world: World, spoil: Callable[[Document], None]) -> None:
    document = copy.deepcopy(locks_of(world)[world.site / "pylock/pylock.linux-x86_64.toml"])
    pylock_validator.validate(document)
    spoil(document)
    with pytest.raises(ValidationError):
        pylock_validator.validate(document)
