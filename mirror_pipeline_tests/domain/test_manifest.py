"""The manifest: what it says of a site, its way to bytes and back, and what differs between two."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.manifest import (
    Entry,
    Manifest,
    Project,
    difference,
    make_manifest,
    parse_manifest,
)
from mirror_pipeline.domain.serving import IMMUTABLE, REVALIDATED
from mirror_pipeline.domain.wheelset import CoreMetadata, Held, WheelSet, by_project
from mirror_pipeline.errors import DocumentError
from mirror_pipeline_tests.locks import digest_of, lock_of, pin

entries = st.builds(
    Entry,
    st.text(max_size=9).map(digest_of),
    st.integers(0, 10**15),
    st.text(max_size=9),
    st.text(max_size=9),
    st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
files = st.dictionaries(st.text(max_size=12), entries, max_size=5)
manifests = st.builds(
    Manifest,
    st.text(max_size=9),
    st.lists(st.text(max_size=9), unique=True).map(sorted).map(tuple),
    files,
    st.dictionaries(
        st.text(max_size=9), st.builds(Project, st.text(max_size=9), st.text(max_size=9)), max_size=3
    ),
)


@settings(deadline=None)
@given(manifests)
def test_a_manifest_comes_back_as_it_was(manifest: Manifest) -> None:
    content = manifest.to_bytes()
    again = parse_manifest(content)
    assert again == manifest
    assert again.to_bytes() == content
    assert manifest.digest == hashlib.sha256(content).hexdigest()


@settings(deadline=None)
@given(manifests)
def test_a_manifest_is_written_as_the_json_module_would_write_it(manifest: Manifest) -> None:
    document = json.loads(manifest.to_bytes())
    assert manifest.to_bytes() == (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()


@settings(deadline=None)
@given(manifests)
def test_neither_the_order_of_keys_nor_that_of_platforms_leaves_a_trace(manifest: Manifest) -> None:
    turned = Manifest(
        manifest.requirements,
        manifest.platforms[::-1],
        dict(reversed(list(manifest.files.items()))),
        dict(reversed(list(manifest.projects.items()))),
    )
    assert turned.to_bytes() == manifest.to_bytes()


def test_a_manifest_of_pages_and_packages() -> None:
    file = "demo-1.0+cpu-py3-none-any.whl"
    artifact = Artifact(file, digest_of(file), pin("demo").name, "1.0+cpu")
    plain = Artifact("demo-1.0.tar.gz", digest_of("sdist"), pin("demo").name, "1.0")
    held = [Held(artifact, 5, CoreMetadata(digest_of("metadata"), 3)), Held(plain, 6)]
    made = make_manifest("r1", ["noarch", "linux-x86_64"], {"simple/index.html": b"page"}, held)
    assert (made.requirements, made.platforms) == ("r1", ("linux-x86_64", "noarch"))
    assert set(made.files) == {
        "simple/index.html",
        f"packages/{file}",
        f"packages/{file}.metadata",
        "packages/demo-1.0.tar.gz",
    }
    page, wheel = made.files["simple/index.html"], made.files[f"packages/{file}"]
    assert (page.sha256, page.size) == (digest_of("page"), 4)
    assert (page.content_type, page.cache_control) == ("text/html; charset=utf-8", REVALIDATED)
    assert (wheel.sha256, wheel.size, wheel.cache_control) == (digest_of(file), 5, IMMUTABLE)
    assert made.files[f"packages/{file}.metadata"].sha256 == digest_of("metadata")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b'{"version": 1}',
        b'{"version": 3, "files": {}, "platforms": [], "requirements": ""}',
        b'{"version": 2, "files": {}, "platforms": [], "requirements": "", "projects": []}',
        b'{"version": 2, "files": {}, "platforms": [], "requirements": "", "projects": {"a": {}}}',
        b'{"version": 2, "files": {}, "platforms": [], "requirements": "", "projects": {"a": 5}}',
        b'{"version": 1, "files": {"a": {}}, "platforms": [], "requirements": ""}',
        b'{"version": 1, "files": {"a": 5}, "platforms": [], "requirements": ""}',
        b'{"version": 1, "files": [], "platforms": [], "requirements": ""}',
        b'{"version": 1, "files": {}, "platforms": 5, "requirements": ""}',
        b"\xff\xfe",
        b"<html></html>",
        b"[" * 100_000,
    ],
)
def test_what_is_no_manifest_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_manifest(content, "old/manifest.json")
    assert caught.value.facts == {"document": "old/manifest.json"}
    assert str(caught.value).startswith("old/manifest.json: ")


def test_a_manifest_says_its_version() -> None:
    assert json.loads(Manifest("", (), {}).to_bytes())["version"] == 2


def test_a_manifest_of_the_first_version_is_read_without_provenance() -> None:
    entry = {"sha256": digest_of("a"), "size": 1, "content_type": "t", "cache_control": "c"}
    old = {"version": 1, "files": {"packages/a": entry}, "platforms": ["noarch"], "requirements": "r"}
    assert parse_manifest(json.dumps(old).encode()) == Manifest(
        "r", ("noarch",), {"packages/a": Entry(digest_of("a"), 1, "t", "c")}
    )


def test_packages_name_the_projects_that_want_them() -> None:
    one, two = (
        wheel_set(platform, wanted_by)
        for platform, wanted_by in (("macos-arm64", "b"), ("macos-x86_64", "a"))
    )
    held = [item for files in by_project([one, two]).values() for item in files]
    locks = [lock_of(project="b", requires_python=">=3.10"), lock_of(project="a", requires_python="")]

    made = make_manifest("r", [], {"simple/index.html": b""}, held, locks)

    written = json.loads(made.to_bytes())
    assert {key: entry.get("wanted_by") for key, entry in written["files"].items()} == {
        "packages/demo-1.0-py3-none-any.whl": ["a", "b"],
        "packages/demo-1.0-py3-none-any.whl.metadata": ["a", "b"],
        "simple/index.html": None,
    }
    assert written["projects"] == {
        "a": {"format": "poetry", "requires_python": ""},
        "b": {"format": "poetry", "requires_python": ">=3.10"},
    }
    assert parse_manifest(made.to_bytes()) == made


def wheel_set(platform: str, wanted_by: str) -> WheelSet:
    file = "demo-1.0-py3-none-any.whl"
    artifact = Artifact(file, digest_of(file), pin("demo").name, "1.0", wanted_by=(wanted_by,))
    return WheelSet(platform, (Held(artifact, 5, CoreMetadata(digest_of("metadata"), 3)),))


@settings(deadline=None)
@given(files, files)
def test_a_difference_leads_from_one_to_the_other(old: dict[str, Entry], new: dict[str, Entry]) -> None:
    change = difference(old, new)
    result = {key: entry.sha256 for key, entry in old.items() if key not in change.removed}
    result.update({key: new[key].sha256 for key in (*change.added, *change.changed)})
    assert result == {key: entry.sha256 for key, entry in new.items()}
    assert not set(change.added) & set(old)
    assert not set(change.removed) & set(new)
    assert bool(change) == any((change.added, change.removed, change.changed))


@settings(deadline=None)
@given(files)
def test_nothing_differs_from_itself(same: dict[str, Entry]) -> None:
    assert not difference(same, dict(same))
