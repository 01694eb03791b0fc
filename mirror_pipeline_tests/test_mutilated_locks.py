"""Whatever happens to a lock file, it is read or refused in one line: never a crash, never an unsafe path.

Locks of every format are spoiled in their bytes (cut, doubled, overwritten) and in their structure (a value
replaced by another kind of value, removed, or written twice), then read, planned and written out again.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.artifact import Artifact, is_safe_file_name, is_sha256
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.naming import refuse_unhashed
from mirror_pipeline.domain.plan import Wanted, make_plan
from mirror_pipeline.domain.requirements import requirement_lines
from mirror_pipeline.domain.target import NOARCH, Python
from mirror_pipeline.errors import INPUT_IS_WRONG, ConflictError, LockError
from mirror_pipeline.lockfiles.formats import files_beside, read_lock
from mirror_pipeline_tests.samples import FILES, MAIN, SAMPLES, Sample

THOROUGH = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
PLATFORMS = ("linux-x86_64", "windows-amd64", NOARCH)
NAMES = tuple(SAMPLES)

nasty_texts = st.sampled_from(
    (
        "",
        " ",
        "../../etc/passwd",
        "..%2f..%2fx-1.0.tar.gz",
        "a/b",
        "\x00",
        "\u202e",
        "1.0; rm",
        "sha256:",
        "sha256:zz",
        "file:///etc/passwd",
        "https://[",
        "${HOME}",
        "==",
        "*",
        "extra ==",
        "'a' in extras",
        "python_version",
        "1e999",
        "x" * 300,
        "🦀",
        "default",
        "main",
        ".",
        "9" * 5000,
        "-r loop.txt",
        "[",
        "{",
        "=",
        "\\",
        "a[b",
        "a @ https://files.example/a.whl",
    )
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | nasty_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def read_or_refused(sample: Sample, content: bytes) -> Lock | None:
    """The lock as it is read, None where it is refused as it should be: by name, in one line."""
    project = sample.project(content)
    files_beside(sample.name, content)
    refusal: LockError | None = None
    try:
        lock = read_lock(project)
        refuse_unhashed(lock, project.lock_path)
    except LockError as error:
        refusal = error
    if refusal is None:
        return lock
    assert "\n" not in str(refusal)
    assert "shop/" in str(refusal)
    assert refusal.exit_code == INPUT_IS_WRONG
    return None


def check(lock: Lock) -> None:
    """What is read can be planned and written, and names nothing that lies elsewhere."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", lock.project)
    for pin in lock.pins:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", pin.name)
        assert all(is_safe_file_name(file.name) and is_sha256(file.sha256) for file in pin.files)
        assert all(map(is_sha256, pin.hashes))
    for selection in (Selection(), everything(lock)):
        text = requirement_lines(lock, pin_conditions(lock, selection), "all")
        assert text.endswith("\n")
        artifacts: tuple[Artifact, ...] = ()
        with suppress(ConflictError):
            artifacts = make_plan([Wanted(lock, selection, (Python(12),))], PLATFORMS).artifacts
        for artifact in artifacts:
            assert len(PurePosixPath("packages", artifact.file).parts) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_lock_is_read_and_wants_what_the_others_want(name: str) -> None:
    lock = read_or_refused(SAMPLES[name], SAMPLES[name].text.encode())
    assert lock is not None
    assert {pin.name for pin in lock.pins if pin.source.mirrored} <= set(FILES)
    assert {pin.name for pin in lock.pins} >= set(MAIN)
    check(lock)
    on_windows = make_plan([Wanted(lock, Selection(), (Python(12),))], PLATFORMS).targets[
        "windows-amd64/3.12"
    ]
    assert on_windows == ("alpha==1.0", "native==2.0", "winonly==1.0")


@st.composite
def spoiled_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A few accidents that happen to files."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 200)))
        kind = draw(st.sampled_from(["cut", "drop", "double", "overwrite", "insert", "crlf", "bom"]))
        piece = draw(st.binary(max_size=6) | nasty_texts.map(str.encode))
        content = {
            "cut": content[:start],
            "drop": content[:start] + content[end:],
            "double": content[:end] + content[start:],
            "overwrite": content[:start] + piece + content[start + len(piece) :],
            "insert": content[:start] + piece + content[start:],
            "crlf": content.replace(b"\n", b"\r\n"),
            "bom": codecs.BOM_UTF8 + content,
        }[kind]
    return content


@pytest.mark.parametrize("name", NAMES)
@THOROUGH
@given(data=st.data())
def test_a_lock_with_spoiled_bytes_is_read_or_refused(name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name]
    lock = read_or_refused(sample, data.draw(spoiled_bytes(sample.text.encode())))
    if lock is not None:
        check(lock)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a document."""
    if path:
        yield path
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def spoil(document: Any, path: tuple[Any, ...], how: str, value: Any) -> None:
    """Change one place of a document."""
    *above, last = path
    for key in above:
        document = document[key]
    if how == "remove":
        del document[last]
    elif how == "double" and isinstance(document, list):
        document.insert(last, document[last])
    else:
        document[last] = value


def written(sample: Sample, document: Any) -> str | None:
    """The document in the format's syntax, None where that has no word for a value."""
    try:
        return json.dumps(document) if sample.name == "Pipfile.lock" else tomli_w.dumps(document)
    except (TypeError, ValueError, AttributeError):
        return None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "requirements"])
@THOROUGH
@given(data=st.data())
def test_a_lock_with_values_of_another_kind_is_read_or_refused(name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name]
    document = json.loads(sample.text) if sample.name == "Pipfile.lock" else tomli.loads(sample.text)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(places(document))))
        spoil(document, path, data.draw(st.sampled_from(["remove", "double", "set"])), data.draw(values))
    text = written(sample, document)
    lock = read_or_refused(sample, text.encode(errors="replace")) if text is not None else None
    if lock is not None:
        check(lock)


@pytest.mark.parametrize("name", [name for name in NAMES if SAMPLES[name].beside])
@THOROUGH
@given(data=st.data())
def test_a_lock_whose_other_files_are_spoiled_is_read_or_refused(name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name]
    beside = {
        other: data.draw(spoiled_bytes(text.encode())).decode(errors="replace")
        for other, text in sample.beside.items()
    }
    lock = read_or_refused(replace(sample, beside=beside), sample.text.encode())
    if lock is not None:
        check(lock)
