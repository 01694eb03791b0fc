"""Which reader takes a file: told by what is in it, and refused by name where none does."""

from __future__ import annotations

import json

import pytest

from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import LOCK_FILE_NAMES, READERS, read_lock
from mirror_pipeline.lockfiles.source_text import syntax_of
from mirror_pipeline_tests.locks import FORMATS, package, poetry_lock, poetry_pyproject, project_files

PIPFILE = json.dumps({"_meta": {"pipfile-spec": 6}, "default": {"a": {"version": "==1.0"}}})


@pytest.mark.parametrize("version", FORMATS)
@pytest.mark.parametrize("name", ["poetry.lock", "renamed.lock"])
def test_a_poetry_lock_is_known_by_its_content(version: str, name: str) -> None:
    pyproject = poetry_pyproject(dependencies={"a": "*"})
    lock = read_lock(project_files(poetry_lock([package("a")], version=version), pyproject, name=name))
    assert (lock.format, lock.format_version) == ("poetry", version)
    assert [pin.label for pin in lock.pins] == ["a==1.0"]


@pytest.mark.parametrize("text", ["a = 1\n", "[metadata]\n"])
def test_another_format_is_refused_by_name(text: str) -> None:
    with pytest.raises(LockError) as caught:
        read_lock(project_files(text, folder="work/shop"))
    error = caught.value
    assert str(error).startswith("work/shop/poetry.lock: not a lock of a format that is read here")
    assert error.facts == {"lock": "work/shop/poetry.lock"}
    assert "poetry" in error.hint


@pytest.mark.parametrize("text", ["locked = \n", "[package\n", "lock ?\n"])
def test_a_file_that_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(LockError, match="not valid TOML"):
        read_lock(project_files(text))


@pytest.mark.parametrize(
    ("text", "path", "syntax"),
    [
        (PIPFILE, "any.txt", "json"),
        ("# made by uv\nversion = 1\n", "any.txt", "toml"),
        ("[[package]]\n", "any.txt", "toml"),
        ("a==1.0 --hash=sha256:00\n", "requirements.lock", "requirements"),
        ("-e .\n", "requirements.lock", "requirements"),
        ("a[x] ; python_version < '3'\n", "any.lock", "requirements"),
        ("# nothing\n", "any.txt", "requirements"),
        ("# nothing\n", "uv.lock", "toml"),
        ("?", "any.toml", "toml"),
    ],
)
def test_a_syntax_is_told_by_the_first_line_that_says_something(text: str, path: str, syntax: str) -> None:
    assert syntax_of(text, path) == syntax


def test_without_a_folder_the_lock_is_named_alone() -> None:
    with pytest.raises(LockError) as caught:
        read_lock(project_files("", folder=""))
    assert caught.value.facts["lock"] == "poetry.lock"


def test_names_to_look_for() -> None:
    assert "poetry.lock" in LOCK_FILE_NAMES
    assert len({reader.name for reader in READERS}) == len(READERS)
    assert len(set(LOCK_FILE_NAMES)) == len(LOCK_FILE_NAMES)
