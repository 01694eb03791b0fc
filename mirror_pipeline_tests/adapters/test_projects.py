"""Finding lock files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror_pipeline.adapters.projects import load_projects
from mirror_pipeline.errors import LockError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "poetry.lock").write_bytes(b"lock \xff\r\n")
    (folder / "pyproject.toml").write_bytes(b"[project]\n")
    (folder / "README.md").write_text("not read")
    return folder


def test_a_directory_is_read_with_what_selection_needs(folder: Path) -> None:
    (project,) = load_projects([folder])

    assert (project.name, project.folder, project.lock_name) == ("demo", str(folder), "poetry.lock")
    assert project.files == {"poetry.lock": b"lock \xff\r\n", "pyproject.toml": b"[project]\n"}
    assert project.lock_content == b"lock \xff\r\n"
    assert project.lock_path == str(folder / "poetry.lock")


def test_a_lock_file_may_have_another_name(folder: Path) -> None:
    (folder / "poetry.lock").rename(folder / "old.lock")

    (project,) = load_projects([folder / "old.lock"])

    assert project.lock_name == "old.lock"
    assert set(project.files) == {"old.lock", "pyproject.toml"}


def test_companions_may_be_missing(folder: Path) -> None:
    (folder / "pyproject.toml").unlink()

    assert set(load_projects([folder])[0].files) == {"poetry.lock"}


def test_several_projects_in_the_order_given(folder: Path, tmp_path: Path) -> None:
    second = tmp_path / "another"
    second.mkdir()
    (second / "poetry.lock").write_bytes(b"other")

    assert [project.name for project in load_projects([folder, second])] == ["demo", "another"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("empty", "no lock file"),
        ("demo/uv.lock.missing", "no such lock file"),
        ("nowhere", "no such lock file"),
    ],
)
def test_what_is_not_there_is_named(folder: Path, tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(LockError, match=message) as caught:
        load_projects([folder, tmp_path / path])

    assert str(tmp_path / path) in str(caught.value)
    assert caught.value.exit_code == 2
