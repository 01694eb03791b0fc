"""What is written into a bucket: keys, headers, children before parents, and the same bytes every time."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.bucket_layout import (
    ERROR_PAGE,
    PRIVATE,
    RECORDS,
    Waves,
    archive,
    archived,
    compressed,
    differing,
    document,
    error_page,
    generation_key,
    keys_of,
    number_of,
    other_bytes,
    package_uploads,
    packages_of,
    placed_pages,
    record_key,
    removed_pages,
    staged_pages,
)
from mirror_pipeline.domain.manifest import Entry, Manifest
from mirror_pipeline.domain.objects import Stored, Upload
from mirror_pipeline.domain.serving import SIMPLE_JSON_TYPE, cache_control, content_type
from mirror_pipeline.errors import INPUT_IS_WRONG, ConflictError, DocumentError
from mirror_pipeline_tests.locks import digest_of

FOLDER = Path("/srv/mirror/packages")
PAGES = {
    "index.html": b"<p>home</p>",
    "simple/index.html": b"<a href=alpha/>alpha</a>",
    "simple/index.v1_json": b'{"projects": []}',
    "simple/alpha/index.html": b"alpha",
    "simple/alpha/index.v1_json": b'"alpha"',
    "project/alpha/index.html": b"about alpha",
    "assets/style.css": b"p {}",
    "assets/logo.png": b"\x89PNG\r\n\xff",
    "pylock/pylock.linux-x86_64.toml": b"lock-version = '1.0'",
    "requirements-prod.txt": b"alpha==1.0",
    "manifest.json": b"{}",
}

segments = st.text("abc.-_", min_size=1, max_size=6)
page_keys = st.one_of(
    st.sampled_from(sorted(PAGES)),
    st.builds("simple/{}/index.html".format, segments),
    st.builds("simple/{}/index.v1_json".format, segments),
    st.builds("assets/{}".format, segments),
)
sites = st.dictionaries(page_keys, st.binary(max_size=30), max_size=8)


def one_by_one(contents: Iterable[bytes]) -> Iterable[bytes]:
    return map(compressed, contents)


def staged(pages: Mapping[str, bytes], number: int = 7) -> Waves:
    return staged_pages(number, pages, one_by_one)


def by_key(waves: Waves) -> dict[str, Upload]:
    found = {upload.key: upload for wave in waves for upload in wave}
    assert len(found) == len(list(keys_of(waves)))
    return found


def content_of(upload: Upload) -> bytes:
    assert isinstance(upload.source, bytes)
    return upload.source


def place_of(waves: Waves) -> dict[str, int]:
    return {upload.key: number for number, wave in enumerate(waves) for upload in wave}


class TestStaged:
    def test_lies_below_its_number_with_a_variant_for_what_is_text(self) -> None:
        plain = {f"g/7/{key}" for key in PAGES}
        zipped = {f"g/7/{key}.gz" for key in PAGES if not key.endswith(".png")}
        assert by_key(staged(PAGES)).keys() == plain | zipped

    @settings(deadline=None)
    @given(sites)
    def test_variants_unpack_to_the_page(self, pages: dict[str, bytes]) -> None:
        uploads = by_key(staged(pages))
        for key, content in pages.items():
            assert content_of(uploads[f"g/7/{key}"]) == content
            variant = uploads.get(f"g/7/{key}.gz")
            if variant:
                assert gzip.decompress(content_of(variant)) == content
                assert variant.content_encoding == "gzip"

    @settings(deadline=None)
    @given(sites)
    def test_says_the_truth_of_the_bytes(self, pages: dict[str, bytes]) -> None:
        for upload in by_key(staged(pages)).values():
            content = content_of(upload)
            assert (upload.sha256, upload.size) == (hashlib.sha256(content).hexdigest(), len(content))

    def test_is_served_as_what_it_is(self) -> None:
        for key, upload in by_key(staged(PAGES)).items():
            public = key.removeprefix("g/7/").removesuffix(".gz")
            assert upload.content_type == content_type(public)
            assert upload.cache_control == cache_control(public)
            assert upload.content_encoding == ("gzip" if key.endswith(".gz") else "")
        assert by_key(staged(PAGES))["g/7/simple/alpha/index.v1_json.gz"].content_type == SIMPLE_JSON_TYPE

    def test_the_same_pages_give_the_same_bytes(self) -> None:
        turned = dict(reversed(list(PAGES.items())))
        assert by_key(staged(PAGES)) == by_key(staged(turned))
        assert compressed(b"x" * 999) == compressed(b"x" * 999)
        assert compressed(b"x")[4:8] == bytes(4)  # RFC 1952: no time

    def test_of_nothing_is_nothing(self) -> None:
        assert list(staged({})) == []


class TestOrder:
    @settings(deadline=None)
    @given(sites, st.booleans())
    def test_what_is_listed_is_there_before_the_list_and_the_manifest_is_last(
        self, pages: dict[str, bytes], folders: bool
    ) -> None:
        for prefix, waves in (("g/7/", staged(pages)), ("", placed_pages(pages, folders=folders))):
            assert all(waves)
            wave = place_of(waves)
            lists = [n for key, n in wave.items() if _is_list(key.removeprefix(prefix))]
            projects = [
                n for key, n in wave.items() if key.removeprefix(prefix).count("/") > 1 or "assets/" in key
            ]
            manifest = [n for key, n in wave.items() if "manifest.json" in key]
            assert max(projects, default=-1) < min(lists, default=9)
            assert max([*projects, *lists], default=-1) < min(manifest, default=9)

    def test_three_waves(self) -> None:
        first, second, third = placed_pages(PAGES, folders=False)
        assert "project/alpha/index.html" in keys_of([first])
        assert set(keys_of([second])) == {"index.html", "simple/index.html", "simple/index.v1_json"}
        assert list(keys_of([third])) == ["manifest.json"]


def _is_list(key: str) -> bool:
    return key.removesuffix(".gz") in ("index.html", "simple/", "simple/index.html", "simple/index.v1_json")


class TestInPlace:
    def test_lies_where_clients_ask(self) -> None:
        uploads = by_key(placed_pages(PAGES, folders=False))
        assert {key: content_of(upload) for key, upload in uploads.items()} == PAGES
        assert not any(upload.content_encoding for upload in uploads.values())

    def test_folders_answer_with_their_page(self) -> None:
        uploads = by_key(placed_pages(PAGES, folders=True))
        folders = {key for key in uploads if key.endswith("/")}
        assert folders == {"simple/", "simple/alpha/", "project/alpha/"}
        assert uploads.keys() - folders == PAGES.keys()
        for folder in folders:
            page = uploads[f"{folder}index.html"]
            assert content_of(uploads[folder]) == content_of(page)
            assert uploads[folder].content_type == page.content_type == "text/html; charset=utf-8"
            assert uploads[folder].cache_control == page.cache_control

    def test_only_what_is_other_is_written(self) -> None:
        target = placed_pages(PAGES, folders=True)
        known = {key: Stored(upload.sha256, upload.size, "e") for key, upload in by_key(target).items()}
        assert list(differing(target, known)) == []
        assert by_key(differing(target, {})) == by_key(target)
        del known["simple/index.html"]
        known["simple/alpha/"] = Stored(digest_of("other"), 5, "e")
        assert [list(keys_of([wave])) for wave in differing(target, known)] == [
            ["simple/alpha/"],
            ["simple/index.html"],
        ]

    @settings(deadline=None)
    @given(sites, sites)
    def test_what_differs_and_what_is_removed_lead_from_one_to_the_other(
        self, old: dict[str, bytes], new: dict[str, bytes]
    ) -> None:
        there = {key: content_of(upload) for key, upload in by_key(placed_pages(old, folders=True)).items()}
        known = {key: Stored(hashlib.sha256(data).hexdigest(), 0, "e") for key, data in there.items()}
        target = placed_pages(new, folders=True)
        written = by_key(differing(target, known))
        there.update({key: content_of(upload) for key, upload in written.items()})
        removed = removed_pages(known, target)
        for key in removed:
            del there[key]
        assert there == {key: content_of(upload) for key, upload in by_key(target).items()}
        assert list(removed) == sorted(removed)
        assert written.keys().isdisjoint(removed)


def manifest_of(**packages: str) -> Manifest:
    files = {
        f"packages/{file}": Entry(digest_of(text), len(text), "t", "immutable")
        for file, text in packages.items()
    }
    return Manifest("r", (), {**files, "simple/index.html": Entry(digest_of("page"), 4, "t", "c")})


class TestPackages:
    def test_only_what_the_bucket_has_not_is_sent(self) -> None:
        known = {"packages/a": Stored(digest_of("a"), 1, "e")}
        (upload,) = package_uploads(manifest_of(a="a", b="bb"), FOLDER, known)
        assert upload == Upload("packages/b", FOLDER / "b", digest_of("bb"), 2, "t", "immutable")

    def test_pages_are_none(self) -> None:
        assert list(packages_of(manifest_of(a="a").files)) == ["packages/a"]

    def test_a_name_with_other_bytes_is_refused(self) -> None:
        known = {"packages/a": Stored(digest_of("theirs"), 6, "e")}
        with pytest.raises(ConflictError) as caught:
            package_uploads(manifest_of(a="ours"), FOLDER, known)
        error = caught.value
        assert error.exit_code == INPUT_IS_WRONG
        assert error.facts == {"file": "a", "digests": [digest_of("theirs"), digest_of("ours")]}
        for part in ("packages/a", digest_of("theirs")[:12], digest_of("ours")[:12], "another bucket"):
            assert part in str(error)
        assert str(other_bytes("packages/a", digest_of("theirs"), digest_of("ours"))) == str(error)

    def test_something_else_under_another_name_does_not_matter(self) -> None:
        known = {"packages/z": Stored(digest_of("theirs"), 6, "e")}
        assert len(package_uploads(manifest_of(a="ours"), FOLDER, known)) == 1


class TestDocuments:
    def test_keys(self) -> None:
        assert generation_key(12, "simple/index.html") == "g/12/simple/index.html"
        assert record_key(12) == f"{RECORDS}12.json"

    @settings(deadline=None)
    @given(st.integers(0, 10**9))
    def test_a_record_tells_its_number(self, number: int) -> None:
        assert number_of(record_key(number)) == number
        assert number_of(f"{record_key(number)}.gz") == number

    @pytest.mark.parametrize("name", ["", "readme", ".json", "x1.json", "-1.json", "1x.json", "٣.json"])
    def test_other_things_have_none(self, name: str) -> None:
        assert number_of(f"{RECORDS}{name}") is None

    def test_no_cache_keeps_the_publishers_own(self) -> None:
        upload = document(".mirror/x.json", b"{}")
        assert (upload.cache_control, upload.content_type) == (PRIVATE, "application/json")
        assert (upload.sha256, upload.size) == (digest_of("{}"), 2)

    def test_the_error_page_is_short_lived(self) -> None:
        upload = error_page()
        assert upload.key == ERROR_PAGE
        assert content_of(upload) == b"Not Found\n"
        assert "max-age=10" in upload.cache_control


class TestArchive:
    @settings(deadline=None)
    @given(st.dictionaries(st.text(max_size=12), st.binary(max_size=40), max_size=6))
    def test_pages_come_back_byte_by_byte(self, pages: dict[str, bytes]) -> None:
        content = archive(pages)
        assert archived(content, "x") == pages
        assert archive(dict(reversed(list(pages.items())))) == content

    def test_is_the_same_at_any_time(self) -> None:
        assert archive(PAGES)[4:8] == bytes(4)

    @settings(deadline=None)
    @given(st.data())
    def test_half_of_one_is_refused(self, data: st.DataObject) -> None:
        content = archive(PAGES)
        half = content[: data.draw(st.integers(0, len(content) - 1))]
        with pytest.raises(DocumentError, match="x: not an archive of pages") as caught:
            archived(half, "x")
        assert caught.value.facts == {"document": "x"}

    @settings(deadline=None, max_examples=200)
    @given(st.data())
    def test_one_with_a_wrong_byte_is_refused_or_the_same(self, data: st.DataObject) -> None:
        content = bytearray(archive(PAGES))
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        read, refusal = PAGES, None
        try:
            read = archived(bytes(content), "x")
        except DocumentError as error:
            refusal = error
        assert read == PAGES  # a byte of gzip's header, which says nothing
        assert refusal is None or refusal.facts == {"document": "x"}

    @pytest.mark.parametrize(
        "inside",
        [
            b"",
            b"null\n",
            b"{}\nx",
            b'[["a"]]\nx',
            b'[["a", "x"]]\nx',
            b'[["a", 2]]\nx',
            b'[["a", 0]]\nx',
            b'[["a", null]]\n',
            b"[" * 100_000,
            b"\xff\n",
        ],
    )
    def test_what_was_never_one_is_refused(self, inside: bytes) -> None:
        with pytest.raises(DocumentError, match="not an archive of pages"):
            archived(gzip.compress(inside), "x")

    def test_a_list_of_pages_that_is_json_but_no_list_of_pages(self) -> None:
        for inside in ([1], [["a", 1, 2]], "text", {"a": 1}):
            with pytest.raises(DocumentError):
                archived(gzip.compress(json.dumps(inside).encode() + b"\nx"), "x")
