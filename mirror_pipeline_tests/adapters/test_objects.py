"""One suite for every bucket: the dictionary of the tests, AWS as ministack has it, a server by others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.s3_objects import BIG, S3Objects
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.objects import Found, IfAbsent, IfMatch, Unchanged, Upload
from mirror_pipeline.errors import CloudError, CloudUnreachableError, CredentialsError, PreconditionError
from mirror_pipeline_tests.aws_servers import Keys, Ministack, S3Server
from mirror_pipeline_tests.fakes import MemoryObjects, upload_of


@dataclass(frozen=True)
class Place:
    """A bucket to test, and whether its server knows conditions."""

    store: ObjectStore
    conditional: bool = True


@pytest.fixture(params=["memory", "ministack", "rclone"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "memory":
        return Place(MemoryObjects())
    if request.param == "ministack":
        server: Ministack = request.getfixturevalue("ministack")
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        return Place(S3Objects(Aws(Cloud(bucket=server.bucket()))))
    other: S3Server = request.getfixturevalue("rclone")
    for name, value in other.environment().items():
        monkeypatch.setenv(name, value)
    return Place(S3Objects(Aws(Cloud(bucket=other.bucket(), endpoint=other.url))), conditional=False)


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.store


def test_what_was_written_is_read(store: ObjectStore) -> None:
    stored = store.put(upload_of("simple/a/index.html", b"<html>", "text/html"))

    found = store.get("simple/a/index.html")
    assert found is not None
    assert (found.content, found.etag) == (b"<html>", stored.etag)
    assert (stored.sha256, stored.size) == (hashlib.sha256(b"<html>").hexdigest(), 6)
    assert '"' not in stored.etag


def test_what_is_not_there(store: ObjectStore) -> None:
    assert store.get("none") is None
    assert store.inspect("none") is None
    assert list(store.list("none/")) == []
    store.delete(["none"])


def test_what_is_known_already_is_not_read_again(store: ObjectStore) -> None:
    first = store.put(upload_of("documents/lock.json", b"one"))
    assert store.get_other("documents/lock.json", first.etag) == Unchanged()
    second = store.put(upload_of("documents/lock.json", b"two"))
    assert store.get_other("documents/lock.json", first.etag) == Found(b"two", second.etag)
    assert store.get_other("none", first.etag) is None


def test_big_objects_are_read_in_pieces(store: ObjectStore) -> None:
    content = bytes(range(256)) * 20_000
    store.put(upload_of("packages/alpha-1!2.0+cpu.whl", content))
    pieces = list(store.read("packages/alpha-1!2.0+cpu.whl") or ())
    assert len(pieces) > 1
    assert b"".join(pieces) == content
    assert store.read("none") is None


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    stored = store.put(upload_of("empty", b""))
    assert store.inspect("empty") == stored


def test_a_later_write_replaces_an_earlier_one(store: ObjectStore) -> None:
    first = store.put(upload_of("key", b"one"))
    second = store.put(upload_of("key", b"two"))
    assert first.etag != second.etag
    assert store.inspect("key") == second


@pytest.mark.parametrize("key", ["packages/torch-2.0+cpu-py3-none-any.whl", "g/1/simple/x/index.v1_json.gz"])
def test_keys_are_what_they_are(store: ObjectStore, key: str) -> None:
    stored = store.put(upload_of(key, b"1"))
    assert [(found.key, found.size, found.etag) for found in store.list(key[:9])] == [(key, 1, stored.etag)]


def test_a_listing_agrees_with_what_was_stored(store: ObjectStore) -> None:
    uploads = [upload_of(f"packages/{number}", b"x" * number) for number in range(1, 20)]
    stored = store.put_all(uploads, lambda _upload: None)
    store.put(upload_of("other", b"x"))
    listed = {found.key: (found.size, found.etag) for found in store.list("packages/")}
    assert listed == {key: (one.size, one.etag) for key, one in stored.items() if one}
    assert all(found.modified > 1_600_000_000 for found in store.list("packages/"))


def test_removed_is_removed(store: ObjectStore) -> None:
    for key in ("a/1", "a/2", "a/3"):
        store.put(upload_of(key, b"x"))
    store.delete(["a/1", "a/3", "a/none"])
    assert [found.key for found in store.list("a/")] == ["a/2"]


def test_a_file_is_streamed_and_whole(store: ObjectStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * (BIG // 256 + 5)
    path = tmp_path / "big.whl"
    path.write_bytes(content)
    upload = replace(upload_of("packages/big.whl", content), source=path)
    stored = store.put(upload)
    assert store.inspect("packages/big.whl") == stored
    assert [found.etag for found in store.list("packages/")] == [stored.etag]


@pytest.mark.parametrize("size", [10, BIG + 10])
def test_other_bytes_than_announced_are_never_written(store: ObjectStore, tmp_path: Path, size: int) -> None:
    path = tmp_path / "wrong.whl"
    path.write_bytes(b"x" * size)
    upload = replace(upload_of("packages/wrong.whl", b"y" * size), source=path)
    with pytest.raises(CloudError):
        store.put(upload)
    assert store.inspect("packages/wrong.whl") is None


def test_the_caller_hears_of_each_upload(store: ObjectStore) -> None:
    uploads = [upload_of(f"k/{number}", b"x" * number) for number in range(30)]
    heard: list[Upload] = []
    stored = store.put_all(uploads, heard.append)
    assert sorted(upload.key for upload in heard) == sorted(stored) == sorted(u.key for u in uploads)


def test_a_condition_holds_or_nothing_is_written(place: Place) -> None:
    store = place.store
    first = store.put(upload_of("key", b"one"), IfAbsent())
    if not place.conditional:
        store.put(upload_of("key", b"two"), IfAbsent())
        assert store.inspect("key") != first  # this is why such servers want a lease
        return
    with pytest.raises(PreconditionError):
        store.put(upload_of("key", b"two"), IfAbsent())
    with pytest.raises(PreconditionError) as caught:
        store.put(upload_of("key", b"two"), IfMatch("0" * 32))
    assert caught.value.facts["expected"] == "0" * 32
    with pytest.raises(PreconditionError):
        store.put(upload_of("none", b"two"), IfMatch(first.etag))
    assert store.inspect("key") == first
    assert store.inspect("none") is None

    second = store.put(upload_of("key", b"two"), IfMatch(first.etag))
    with pytest.raises(PreconditionError):
        store.put(upload_of("key", b"three"), IfMatch(first.etag))
    assert store.inspect("key") == second


def test_big_files_know_conditions_too(place: Place, tmp_path: Path) -> None:
    content = b"z" * (BIG + 1)
    path = tmp_path / "big.whl"
    path.write_bytes(content)
    upload = replace(upload_of("packages/big.whl", content), source=path)
    assert place.store.put_all([upload], lambda _: None, IfAbsent())["packages/big.whl"]
    if place.conditional:
        assert place.store.put_all([upload], lambda _: None, IfAbsent()) == {"packages/big.whl": None}


def test_of_many_only_those_are_written_whose_condition_holds(place: Place) -> None:
    place.store.put(upload_of("k/1", b"there"))
    heard: list[str] = []
    uploads = [upload_of(f"k/{number}", b"new") for number in range(3)]
    stored = place.store.put_all(uploads, lambda upload: heard.append(upload.key), IfAbsent())
    if place.conditional:
        assert stored["k/1"] is None
        assert sorted(heard) == ["k/0", "k/2"]


@pytest.fixture
def aws(ministack: Ministack, monkeypatch: pytest.MonkeyPatch) -> Callable[[Keys], S3Objects]:
    bucket = ministack.bucket()

    def opened(keys: Keys) -> S3Objects:
        for name, value in ministack.environment(keys).items():
            monkeypatch.setenv(name, value)
        return S3Objects(Aws(Cloud(bucket=bucket)))

    return opened


def test_wrong_credentials_are_one_line(aws: Callable[[Keys], S3Objects], ministack: Ministack) -> None:
    store = aws(Keys(ministack.admin.access, "wrong"))
    for ask in (
        lambda: store.get("x"),
        lambda: store.inspect("x"),
        lambda: store.put(upload_of("x", b"1")),
        lambda: list(store.list("")),
        lambda: store.delete(["x"]),
    ):
        with pytest.raises(CredentialsError) as caught:
            ask()
        assert "\n" not in str(caught.value)
        assert "check AWS_PROFILE" in str(caught.value)


def test_headers_are_stored(aws: Callable[[Keys], S3Objects], ministack: Ministack) -> None:
    store = aws(ministack.admin)
    store.put(upload_of("page.gz", b"zipped", "text/html; charset=utf-8", "public, max-age=60", "gzip"))
    bucket = store.name.removeprefix("s3://")
    head = ministack.client("s3").head_object(Bucket=bucket, Key="page.gz", ChecksumMode="ENABLED")
    assert head["ContentType"] == "text/html; charset=utf-8"
    assert (head["CacheControl"], head["ContentEncoding"]) == ("public, max-age=60", "gzip")
    assert head["ChecksumSHA256"]


def test_a_bucket_that_is_not_there_is_not_an_empty_one(
    ministack: Ministack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    store = S3Objects(Aws(Cloud(bucket="nobodys-bucket")))
    with pytest.raises(CloudError, match="does not exist"):
        store.get("x")


def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    store = S3Objects(Aws(Cloud(bucket="b-b-b", endpoint="http://127.0.0.1:9")), retries=0)
    with pytest.raises(CloudUnreachableError, match="no answer") as caught:
        store.get("x")
    assert "\n" not in str(caught.value)


def test_no_credentials_is_one_line() -> None:
    with pytest.raises(CredentialsError, match="no AWS credentials"):
        S3Objects(Aws(Cloud(bucket="b-b-b"))).get("x")


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default]\naws_access_key_id = x\n", "Partial credentials"),
        ("[default]\ncredential_process = false\n", "custom-process"),
        (("[default]\nsso_start_url = https://sso.example/\nsso_region = us-east-1\n"
         "sso_account_id = 123456789012\nsso_role_name = r\n"), "SSO Token"),
    ],
)  # fmt: skip
def test_credentials_that_cannot_be_used_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, text: str, said: str
) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(CredentialsError, match=said) as caught:
        S3Objects(Aws(Cloud(bucket="b-b-b", endpoint=endpoint))).get("x")
    assert "\n" not in str(caught.value)


def test_a_damaged_configuration_of_aws_is_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(CloudError, match="Unable to parse config file") as caught:
        S3Objects(Aws(Cloud(bucket="b-b-b"))).get("x")
    assert not isinstance(caught.value, CloudUnreachableError)  # asking again would not help
