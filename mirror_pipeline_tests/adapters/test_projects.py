"""Finding lock files, with what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
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


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_directory_is_read_with_what_selection_needs(folder: Path) -> None:
    (project,) = load_projects([folder])

    assert (project.name, project.folder, project.lock_name) == ("demo", str(folder), "poetry.lock")
    assert project.files == {"poetry.lock": b"lock \xff\r\n", "pyproject.toml": b"[project]\n"}
    assert project.lock_content == b"lock \xff\r\n"
    assert project.lock_path == str(folder / "poetry.lock")
    assert (project.member, project.groups) == (".", {})


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


class TestRequirements:
    def test_what_a_file_includes_comes_with_it(self, tmp_path: Path) -> None:
        folder = written(
            tmp_path / "demo",
            {
                "requirements.txt": "-r sub/base.txt\n-c ../shared.txt\n-r missing.txt\na==1.0\n",
                "sub/base.txt": "-r own.txt\n",
                "sub/own.txt": "b==1.0\n",
                "../shared.txt": "c==1.0\n",
                "other.txt": "not included\n",
                "pyproject.toml": "[project]\n",
            },
        )

        (project,) = load_projects([folder])

        assert (project.name, project.lock_name) == ("demo", "requirements.txt")
        assert set(project.files) == {"requirements.txt", "sub/base.txt", "sub/own.txt", "../shared.txt"}
        assert project.files["../shared.txt"] == b"c==1.0\n"

    def test_a_circle_of_includes_ends(self, tmp_path: Path) -> None:
        folder = written(
            tmp_path, {"requirements.txt": "-r a.txt\n", "a.txt": "-r requirements.txt\n-r a.txt\n"}
        )

        assert set(load_projects([folder])[0].files) == {"requirements.txt", "a.txt"}

    def test_what_is_included_need_not_be_a_file(self, tmp_path: Path) -> None:
        text = f"-r .\n-r {'x' * 300}\n-r https://index.example/a.txt\n-c sub\n"
        folder = written(tmp_path, {"requirements.txt": text, "sub/a.txt": ""})

        assert set(load_projects([folder])[0].files) == {"requirements.txt"}

    def test_an_absolute_path_is_followed(self, tmp_path: Path) -> None:
        written(tmp_path, {"elsewhere/c.txt": "a==1.0\n"})
        shared = tmp_path / "elsewhere" / "c.txt"
        folder = written(tmp_path / "demo", {"requirements.txt": f"-c {shared}\n"})

        assert load_projects([folder])[0].files[shared.as_posix()] == b"a==1.0\n"

    @pytest.mark.parametrize("name", ["../token", "../keys/id_rsa", "../.netrc", "link.txt"])
    def test_what_lies_elsewhere_and_is_named_like_no_requirements_is_not_read(
        self, tmp_path: Path, name: str
    ) -> None:
        written(tmp_path, {"token": "secret\n", "keys/id_rsa": "secret\n", ".netrc": "secret\n"})
        absolute = tmp_path / "demo" / name
        folder = written(tmp_path / "demo", {"requirements.txt": f"-r {name}\n-c {absolute}\n"})
        (folder / "link.txt").symlink_to(tmp_path / "token")

        assert set(load_projects([folder])[0].files) == {"requirements.txt"}

    def test_a_file_of_the_project_may_be_called_anything(self, tmp_path: Path) -> None:
        folder = written(tmp_path / "demo", {"requirements.txt": "-r sub/base\n", "sub/base": "a==1.0\n"})
        (tmp_path / "elsewhere").symlink_to(folder)

        assert set(load_projects([tmp_path / "elsewhere"])[0].files) == {"requirements.txt", "sub/base"}

    @pytest.mark.parametrize("lock", ["poetry.lock", "uv.lock", "Pipfile.lock", "requirements.lock"])
    def test_requirements_beside_another_lock_do_not_count(self, tmp_path: Path, lock: str) -> None:
        folder = written(tmp_path, {"requirements.txt": "a==1.0\n", lock: "x"})

        assert load_projects([folder])[0].lock_name == lock

    def test_two_other_locks_are_refused_by_name(self, tmp_path: Path) -> None:
        folder = written(tmp_path, {"requirements.txt": "a==1.0\n", "poetry.lock": "x", "Pipfile.lock": "{}"})

        with pytest.raises(LockError, match=r"several lock files: poetry\.lock, Pipfile\.lock"):
            load_projects([folder])


class TestGroups:
    def test_further_files_belong_to_the_project_named_first(self, tmp_path: Path) -> None:
        first = written(
            tmp_path / "first",
            {
                "requirements.txt": "a==1.0\n",
                "dev.txt": "-r sub/more.txt\n",
                "sub/more.txt": "",
                "../docs.txt": "",
            },
        )
        second = written(tmp_path / "second", {"requirements.txt": "b==1.0\n"})

        projects = load_projects([first, second], [first / "dev.txt", tmp_path / "docs.txt"])

        assert [project.groups for project in projects] == [{"dev": ("dev.txt", "../docs.txt")}, {}]
        assert set(projects[0].files) == {"requirements.txt", "dev.txt", "sub/more.txt", "../docs.txt"}
        assert set(projects[1].files) == {"requirements.txt"}

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        folder = written(tmp_path, {"requirements.txt": "a==1.0\n"})

        with pytest.raises(LockError, match="no such file") as caught:
            load_projects([folder], [folder / "dev.txt"])

        assert str(caught.value).startswith(str(folder / "dev.txt"))
        assert "MIRROR_REQUIREMENTS_DEV" in caught.value.hint


class TestWorkspaces:
    def test_a_member_has_the_lock_of_its_workspace(self, tmp_path: Path) -> None:
        root = written(
            tmp_path / "root",
            {"uv.lock": "version = 1\n", "pyproject.toml": "root", "libs/core/pyproject.toml": "member"},
        )

        (project,) = load_projects([root / "libs" / "core"])

        assert (project.name, project.member) == ("core", "libs/core")
        assert (project.folder, project.lock_name) == (str(root), "uv.lock")
        assert set(project.files) == {"uv.lock", "pyproject.toml"}

    def test_the_nearest_workspace_counts(self, tmp_path: Path) -> None:
        root = written(
            tmp_path, {"uv.lock": "far", "inner/uv.lock": "near", "inner/libs/core/pyproject.toml": ""}
        )

        (project,) = load_projects([root / "inner" / "libs" / "core"])

        assert (project.lock_content, project.member) == (b"near", "libs/core")

    def test_a_lock_of_its_own_comes_first(self, tmp_path: Path) -> None:
        root = written(
            tmp_path, {"uv.lock": "x", "core/pyproject.toml": "", "core/requirements.txt": "a==1.0\n"}
        )

        assert load_projects([root / "core"])[0].lock_name == "requirements.txt"

    @pytest.mark.parametrize("above", ["uv.lock", "poetry.lock"])
    def test_a_folder_that_is_no_member_has_no_lock(self, tmp_path: Path, above: str) -> None:
        root = written(tmp_path, {above: "x", "docs/index.md": "", "core/pyproject.toml": ""})

        with pytest.raises(LockError, match="no lock file") as caught:
            load_projects([root / ("docs" if above == "uv.lock" else "core")])

        assert "looked for poetry.lock" in caught.value.hint
