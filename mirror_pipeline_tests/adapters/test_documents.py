"""Documents between phases: every kind there and back, always the same bytes, and damage told as such."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name
from packaging.version import Version

from mirror_pipeline.adapters.documents import (
    DirectoryDocuments,
    Documents,
    as_plain,
    decode,
    digest_of,
    encode,
)
from mirror_pipeline.adapters.object_documents import ObjectDocuments
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.lock import Edge, Lock, LockedFile, Node, Pin, Root, Selection, Source
from mirror_pipeline.domain.manifest import Entry, Manifest, Project
from mirror_pipeline.domain.plan import AboveFloor, Gap, Outside, Plan, PlatformPlan, Wanted
from mirror_pipeline.domain.target import Python
from mirror_pipeline.domain.verification import Finding, Judged, Report
from mirror_pipeline.domain.wheelset import CoreMetadata, Failure, Held, UpstreamFile, WheelSet
from mirror_pipeline.errors import CloudUnreachableError, DocumentError, StorageError
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.phases.index import Index
from mirror_pipeline.phases.lock import Snapshot
from mirror_pipeline.phases.requirements import Requirements
from mirror_pipeline.phases.wheels import Told
from mirror_pipeline_tests.adapters.conftest import BUCKETS, bucket_of
from mirror_pipeline_tests.fakes import MemoryObjects, upload_of

ALPHA = canonicalize_name("alpha")
SHA = "ab" * 32
FULL = Artifact(
    "alpha-1.0.tar.gz", SHA, ALPHA, "1.0", 7, "https://a.example/f", "https://i.example/", ("p", "q")
)
BARE = Artifact("alpha-1.0-py3-none-any.whl", SHA, ALPHA, "1.0")
GAP = Gap(ALPHA, "1.0", ("3.12", "3.13t"), "no wheel for macOS – only “sdist”")
LOCK = Lock(
    project="demo",
    format="poetry",
    format_version="2.1",
    requires_python=">=3.10",
    groups=("dev",),
    extras=("fast",),
    pins=(
        Pin("alpha==1!2.0rc1+cpu", ALPHA, Version("1!2.0rc1+cpu"), (LockedFile("alpha.whl", SHA, 1, None),)),
        Pin(
            "beta==1", canonicalize_name("beta"), Version("1"), (), Source("git", "https://git.example/beta")
        ),
    ),
    edges=(
        Edge(Root(), "alpha==1!2.0rc1+cpu", ("x", "y"), Marker("python_version < '3.13' and extra == 'a'")),
        Edge(Root("group", "dev"), "beta==1"),
        Edge(Root("extra", "fast"), "beta==1"),
        Edge(Node("alpha==1!2.0rc1+cpu"), "beta==1"),
        Edge(Node("alpha==1!2.0rc1+cpu", "x"), "beta==1"),
    ),
    warnings=("newer than known",),
)
SELECTION = Selection(frozenset({"dev"}), frozenset())
MANIFEST = Manifest("v1", ("linux-x86_64", "noarch"), {"simple/index.html": Entry(SHA, 3, "text/html", "no")})
WITH_ORIGINS = Manifest(
    "v2",
    ("noarch",),
    {"packages/a": Entry(SHA, 1, "t", "c", ("one", "two"))},
    {"one": Project("uv", ">=3.10")},
)
WANTED_GAP = replace(GAP, wanted_by=("a", "b"))
ABOVE = AboveFloor(ALPHA, "1.0", ("3.11", "3.13t"), "glibc 2.34", "glibc 2.28")
PLATFORM_PLAN = PlatformPlan(
    "linux-x86_64", (FULL, BARE), (GAP, replace(GAP, wanted_by=("a", "b"))), (ABOVE,)
)
FINDING = Finding("index", "simple/a/index.html", "wrong", SHA, None)

DOCUMENTS: list[object] = [
    Snapshot((ProjectFiles("demo", "/p/demo", "poetry.lock", {"poetry.lock": b"\xef\xbb\xbf\x00\xff\r\n"}),)),
    Snapshot(()),
    Requirements((LOCK,), (SELECTION,), {"requirements-all.txt": "alpha==1.0\n# é\n"}, "v1"),
    PLATFORM_PLAN,
    PlatformPlan("noarch"),
    WheelSet(
        "linux-x86_64",
        (
            Held(FULL, 7, None, ">=3.8", "a reason", "2024-01-01T00:00:00Z"),
            Held(BARE, 9, CoreMetadata(SHA, 5, None), None, True),
            Held(BARE, 9, CoreMetadata(SHA, 5, ">=3"), None, ""),
        ),
        (Failure("x.whl", "x", "gone", True, SHA, None),),
    ),
    WheelSet("noarch"),
    Index(MANIFEST, {"pylock/pylock.linux-x86_64.toml": "", "simple/index.html": "<a>"}),
    Report("v1", None, (Judged("index", 3, (FINDING,), ("note",)),), {"linux-x86_64": (GAP,)}),
]  # fmt: skip

VALUES = [
    *DOCUMENTS,
    Plan({"linux-x86_64/3.12": ("a==1",)}, (Outside(ALPHA, "git", "why"),), {"linux-x86_64": PLATFORM_PLAN}),
    Plan(unnamed=("a==1",), built={"linux-x86_64/3.12": ("a==1",)}),
    WITH_ORIGINS,
    Wanted(LOCK, SELECTION, (Python(12), Python(13, free_threaded=True))),
    Told({"x.whl": UpstreamFile("x.whl", "", SHA, 3, ">=3.8", "a reason", "2024-01-01T00:00:00Z")}),
    Told({"x.whl": UpstreamFile("x.whl", "")}),
]  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Documents, where nobody has read any yet, and a way to change one behind everybody's back."""

    opened: Callable[[], Documents]
    spoil: Callable[[str, bytes], object]


def in_a_folder(folder: Path) -> Place:
    return Place(
        lambda: DirectoryDocuments(folder),
        lambda name, content: (folder / f"{name}.json").write_bytes(content),
    )


def in_a_bucket(objects: ObjectStore) -> Place:
    return Place(
        lambda: ObjectDocuments(objects, "shop/documents/"),
        lambda name, content: objects.put(upload_of(f"shop/documents/{name}.json", content)),
    )


@pytest.fixture(params=["directory", *BUCKETS])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    if request.param == "directory":
        return in_a_folder(tmp_path / "documents")
    return in_a_bucket(bucket_of(request.param, request, monkeypatch))


@pytest.fixture
def documents(place: Place) -> Documents:
    return place.opened()


def identity(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("value", VALUES, ids=identity)
def test_there_and_back(documents: Documents, value: object) -> None:
    digest = documents.write("phase/name", value)
    found = documents.read("phase/name", type(value))

    assert repr(found) == repr(value)  # not every kind can be compared; and here ``True`` is not ``1``
    assert digest == digest_of(value) == digest_of(found)
    assert repr(documents.find("phase/name", type(value))) == repr(value)


@pytest.mark.parametrize("value", DOCUMENTS, ids=identity)
def test_damage_is_told_as_such(place: Place, documents: Documents, value: object) -> None:
    documents.write("phase/name", value)
    content = encode(value)

    for damaged in (content[: len(content) // 2], b"", b"\xff\xfe", b"[]", b"null", b'{"unknown": 1}'):
        place.spoil("phase/name", damaged)
        with pytest.raises(DocumentError, match="phase/name: the document is damaged") as caught:
            documents.read("phase/name", type(value))
        assert caught.value.facts["document"] == "phase/name"
        assert "--force" in caught.value.hint
        assert documents.find("phase/name", type(value)) is None


def test_a_document_that_was_never_made_names_its_phase(documents: Documents) -> None:
    with pytest.raises(DocumentError, match="wheels/noarch: not made yet") as caught:
        documents.read("wheels/noarch", WheelSet)

    assert "'wheels'" in caught.value.hint
    assert documents.find("wheels/noarch", WheelSet) is None


def test_a_value_of_the_wrong_kind_is_damage() -> None:
    with pytest.raises(DocumentError):
        decode(encode(VALUES[3]), Snapshot, "lock")


def test_the_order_in_which_a_value_was_made_does_not_count() -> None:
    names = [f"group-{number:02}" for number in range(20)]
    one = Selection(frozenset(names), frozenset(["x", "y"]))
    two = Selection(frozenset(reversed(names)), frozenset(["y", "x"]))
    entries = {"a": Entry(SHA, 1, "t", "c"), "b": Entry(SHA, 2, "t", "c")}
    backwards = dict(reversed(entries.items()))

    assert encode(one) == encode(two)
    assert decode(encode(one), Selection, "selection") == one
    assert as_plain(one) == {"groups": names, "extras": ["x", "y"]}
    assert encode(Manifest("v", (), entries)) == encode(Manifest("v", (), backwards))


@pytest.mark.parametrize(
    "other",
    [
        Held(BARE, 9, None, None, True),
        Held(BARE, 9, None, None, "True"),
        Held(BARE, 9, None, "", False),
        Held(BARE, 8),
        Held(FULL, 9),
    ],
)
def test_different_values_have_different_digests(other: Held) -> None:
    assert digest_of(other) != digest_of(Held(BARE, 9))


def test_what_somebody_else_wrote_is_read(place: Place) -> None:
    one, other = place.opened(), place.opened()
    for platform in ("noarch", "linux-x86_64"):
        one.write("wheels/x", WheelSet(platform))
        assert other.read("wheels/x", WheelSet) == WheelSet(platform)


def test_in_a_bucket_what_is_known_is_asked_for_and_not_read_again() -> None:
    objects = MemoryObjects()
    documents = ObjectDocuments(objects, "shop/documents/")
    documents.write("index", WheelSet("noarch"))
    first = documents.read("index", WheelSet)
    assert documents.read("index", WheelSet) is first
    assert objects.requests == 3


def test_that_nobody_answers_does_not_mean_that_there_is_none() -> None:
    def refuse(_operation: str, _key: str) -> None:
        raise CloudUnreachableError("s3: no answer")

    documents = ObjectDocuments(MemoryObjects(before=refuse), "shop/documents/")
    with pytest.raises(CloudUnreachableError):
        documents.find("index", WheelSet)


def test_in_a_bucket_they_are_private() -> None:
    objects = MemoryObjects()
    ObjectDocuments(objects, "shop/documents/").write("wheels/noarch", WheelSet("noarch"))
    (kept,) = objects.objects.values()
    assert objects.objects.keys() == {"shop/documents/wheels/noarch.json"}
    assert (kept.content_type, kept.cache_control) == ("application/json", "private, no-store")


def test_writing_the_same_again_touches_nothing(tmp_path: Path) -> None:
    documents = DirectoryDocuments(tmp_path / "documents")
    documents.write("lock", VALUES[0])
    before = (tmp_path / "documents" / "lock.json").stat()
    documents.write("lock", VALUES[0])

    assert (tmp_path / "documents" / "lock.json").stat().st_ino == before.st_ino


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    documents = DirectoryDocuments(tmp_path / "documents")
    (tmp_path / "documents").write_text("in the way")

    with pytest.raises(StorageError, match="a file is where a directory should be"):
        documents.write("lock", VALUES[0])


def test_plain_data_for_json() -> None:
    plain: Any = as_plain(WheelSet("noarch", (Held(BARE, 9, CoreMetadata(SHA, 5)),)))

    assert plain["platform"] == "noarch"
    assert plain["held"][0]["metadata"] == {"sha256": SHA, "size": 5, "requires_python": None, "about": None}


def test_a_plan_of_an_earlier_version_is_read_with_what_it_did_not_know() -> None:
    gap = {"project": "a", "version": "1", "pythons": ["3.12"], "reason": "none"}
    old = json.dumps({"platform": "noarch", "artifacts": [], "gaps": [gap]}).encode()
    assert decode(old, PlatformPlan, "plan") == PlatformPlan(
        "noarch", (), (Gap(canonicalize_name("a"), "1", ("3.12",), "none"),)
    )


def test_documents_are_for_their_owner_only(tmp_path: Path) -> None:
    """Locks may name indexes with logins."""
    DirectoryDocuments(tmp_path / "home/documents").write("lock", ("text",))
    assert (tmp_path / "home/documents").stat().st_mode & 0o077 == 0
