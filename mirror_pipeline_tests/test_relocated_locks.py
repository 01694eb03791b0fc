"""What is published beside the index, used by real pip and uv while everything but the mirror is closed.

A project is locked by uv against an upstream made on the spot and mirrored by the command line, once with the
mirror's URL configured and once without; then the upstream is closed. Every installation has an empty cache.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli
from packaging.pylock import Pylock, is_valid_pylock_path

from mirror_pipeline.adapters.installer import find_installer
from mirror_pipeline.adapters.server import serving
from mirror_pipeline.adapters.token_store import WatchedBook
from mirror_pipeline.domain.target import DEFAULT_PLATFORMS, NOARCH, PLATFORMS
from mirror_pipeline.domain.tokens import Token, TokenBook, digest_of
from mirror_pipeline_tests.test_tools import DISTS, EVERYTHING, INSTALLED, ROOT, Place, standard_project
from mirror_pipeline_tests.upstreams import FakeUpstream

PLATFORM = next(
    name
    for name, platform in PLATFORMS.items()
    if platform.sys_platform == sys.platform and platform.marker.evaluate() and platform.libc != "musl"
)
"""The machine that the tests run on."""
OTHER = "windows-amd64" if sys.platform != "win32" else "linux-x86_64"


@dataclass
class Published:
    """A mirror that is served, and the project whose lock it holds."""

    place: Place
    url: str
    closed: str
    """The upstream's URL: nobody answers there any more."""
    uv: str = field(default_factory=find_installer)

    @property
    def index(self) -> str:
        return f"{self.url}/simple/"

    @property
    def python(self) -> str:
        """The environment to install into, never the one that the tests run in."""
        return str(self.place.project / ".venv/bin/python")

    def fresh(self) -> None:
        """An empty environment and an empty cache."""
        shutil.rmtree(self.place.root / "cache", ignore_errors=True)
        shutil.rmtree(self.place.project / ".venv", ignore_errors=True)
        self.place.run(self.uv, "venv", "-q", ".venv")

    def pip(self, *arguments: str) -> str:
        command = (sys.executable, "-m", "pip", "--python", self.python, "install", "-q", "--retries", "0")
        return self.place.run(*command, *arguments)

    def uv_pip(self, *arguments: str) -> str:
        return self.place.run(self.uv, "pip", *arguments, UV_PYTHON=self.python)

    def installed(self) -> set[str]:
        return self.place.installed(self.uv)


def _locked(root: Path, upstream: FakeUpstream) -> Place:
    root.mkdir()
    place = Place(root)
    for dist in DISTS:
        upstream.add(dist)
    place.write("pyproject.toml", standard_project())
    place.run(find_installer(), "lock", "--default-index", upstream.url)
    return place


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A mirror that knows its URL."""
    with FakeUpstream() as upstream:
        place = _locked(tmp_path_factory.mktemp("relocated") / "known", upstream)
        with serving(place.site) as url:
            place.mirror(upstream.url, "uv.lock", MIRROR_PUBLIC_URL=url)
            upstream.close()
            yield Published(place, url, upstream.url)


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A mirror that does not know its URL."""
    with FakeUpstream() as upstream:
        place = _locked(tmp_path_factory.mktemp("relocated") / "unknown", upstream)
        place.mirror(upstream.url, "uv.lock")
        upstream.close()
        with serving(place.site) as url:
            yield Published(place, url, upstream.url)


@pytest.fixture
def project(published: Published) -> Iterator[Published]:
    """The mirror, and the project as it was locked."""
    files = {path: path.read_bytes() for path in published.place.project.glob("*.*") if path.is_file()}
    published.fresh()
    yield published
    for path in published.place.project.glob("*.*"):
        if path.is_file():
            path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


def lock_file(mirror: Published, platform: str = PLATFORM) -> Path:
    return mirror.place.site / "pylock" / f"pylock.{platform}.toml"


def reference(mirror: Published, where: str) -> str:
    """How a client names the lock."""
    path = lock_file(mirror)
    if where == "url":
        return f"{mirror.url}/pylock/{path.name}"
    if where == "directory":
        return str(path)
    shutil.copy(path, mirror.place.project)
    return path.name


class TestPylock:
    @pytest.mark.parametrize("where", ["copy", "directory", "url"])
    def test_with_urls_pip_installs_from_it_wherever_it_is(self, project: Published, where: str) -> None:
        project.pip("--no-index", "-r", reference(project, where))
        assert project.installed() == EVERYTHING

    @pytest.mark.parametrize("where", ["copy", "directory", "url"])
    def test_with_urls_uv_installs_from_it_wherever_it_is(self, project: Published, where: str) -> None:
        project.uv_pip("sync", "--no-index", reference(project, where))
        assert project.installed() == EVERYTHING

    def test_without_a_url_pip_installs_from_the_directory_and_by_url(self, unknown: Published) -> None:
        for where in ("directory", "url"):
            unknown.fresh()
            unknown.pip("--no-index", "-r", reference(unknown, where))
            assert unknown.installed() == EVERYTHING

    def test_without_a_url_uv_installs_from_the_directory(self, unknown: Published) -> None:
        unknown.fresh()
        unknown.uv_pip("sync", "--offline", reference(unknown, "directory"))
        assert unknown.installed() == EVERYTHING

    def test_entries_name_a_url_or_a_path_and_never_both(
        self, published: Published, unknown: Published
    ) -> None:
        for mirror, prefix in ((published, f"{published.url}/packages/"), (unknown, "../packages/")):
            for platform in ("linux-x86_64", "linux-aarch64", "macos-arm64", "windows-amd64"):
                path = lock_file(mirror, platform)
                document = Pylock.from_dict(tomli.loads(path.read_text()))
                assert is_valid_pylock_path(path)
                assert document.created_by == "mirror-pipeline"
                assert str(document.requires_python) == ">=3.10"
                assert [str(marker) for marker in document.environments or ()] == [
                    str(PLATFORMS[platform].marker)
                ]
                wheels = [wheel for package in document.packages for wheel in package.wheels or ()]
                assert wheels
                for wheel in wheels:
                    assert [wheel.url, wheel.path].count(None) == 1
                    assert (wheel.url or wheel.path) == f"{prefix}{wheel.name}"

    def test_the_lock_of_another_platform_is_refused(self, project: Published) -> None:
        other = str(lock_file(project, OTHER))
        with pytest.raises(AssertionError, match="environment"):
            project.pip("--no-index", "-r", other)
        with pytest.raises(AssertionError, match="environment is not supported"):
            project.uv_pip("sync", "--no-index", other)
        assert project.installed() == set()

    def test_locks_without_urls_are_those_of_any_mirror_of_that_lock(
        self, published: Published, unknown: Published
    ) -> None:
        given = lock_file(published).read_text()
        assert given.replace(f'url = "{published.url}/packages/', 'path = "../packages/') == (
            lock_file(unknown).read_text()
        )


class TestRequirements:
    @pytest.mark.parametrize(("name", "expected"), [("prod", INSTALLED), ("all", EVERYTHING)])
    def test_pip_installs_from_them_by_url(self, project: Published, name: str, expected: set[str]) -> None:
        wanted = f"{project.url}/requirements-{name}.txt"
        project.pip("--index-url", project.index, "--require-hashes", "-r", wanted)
        assert project.installed() == expected

    @pytest.mark.parametrize(("name", "expected"), [("prod", INSTALLED), ("all", EVERYTHING)])
    def test_uv_installs_from_them_by_url(self, project: Published, name: str, expected: set[str]) -> None:
        wanted = f"{project.url}/requirements-{name}.txt"
        project.uv_pip("sync", "--default-index", project.index, "--require-hashes", wanted)
        assert project.installed() == expected

    def test_they_have_markers_and_the_hashes_of_all_platforms_and_no_index(
        self, published: Published
    ) -> None:
        text = (published.place.site / "requirements-all.txt").read_text()
        assert 'winonly==1.0 ; sys_platform == "win32"' in text
        assert text.count("--hash=") == 10
        assert not [line for line in text.splitlines() if "://" in line or line.startswith("-")]


class TestUvProject:
    """What a project whose uv.lock names an upstream does to install from the mirror."""

    def test_its_own_lock_goes_upstream_whatever_index_it_is_given(self, project: Published) -> None:
        with pytest.raises(AssertionError, match="Connection refused"):
            project.place.run(
                *(project.uv, "sync", "--frozen", "--default-index", project.index), UV_HTTP_RETRIES="0"
            )
        with pytest.raises(AssertionError, match="needs to be updated"):
            project.place.run(project.uv, "sync", "--locked", "--default-index", project.index)
        assert project.closed in (project.place.project / "uv.lock").read_text()

    def test_the_relocated_lock_is_a_drop_in(self, project: Published) -> None:
        shutil.copy(project.place.site / "pylock/uv.lock.toml", project.place.project / "uv.lock")
        relocated = (project.place.project / "uv.lock").read_bytes()
        project.place.run(project.uv, "sync", "--frozen", "--all-extras")
        assert project.installed() == EVERYTHING
        project.place.run(project.uv, "sync", "--default-index", project.index)
        assert (project.place.project / "uv.lock").read_bytes() == relocated
        project.fresh()
        project.place.run(project.uv, "sync", "--locked", "--no-dev", "--default-index", project.index)
        assert project.installed() == INSTALLED

    def test_the_relocated_lock_is_what_uv_would_write(self, project: Published) -> None:
        (project.place.project / "uv.lock").unlink()
        project.place.run(project.uv, "lock", "--default-index", project.index)
        written = (project.place.project / "uv.lock").read_text()
        assert written == (project.place.site / "pylock/uv.lock.toml").read_text()

    def test_locking_again_against_the_mirror_keeps_the_versions(self, project: Published) -> None:
        pyproject = standard_project(
            tool={"uv": {"index": [{"name": "mirror", "url": project.index, "default": True}]}}
        )
        before = _versions(project)
        project.place.write("pyproject.toml", pyproject)
        project.place.run(project.uv, "lock")
        assert _versions(project) == before
        project.place.run(project.uv, "sync", "--locked", "--all-extras")
        assert project.installed() == EVERYTHING

    def test_an_exported_set_is_taken_from_the_index(self, project: Published) -> None:
        project.place.run(
            *(project.uv, "export", "-q", "--frozen", "--no-emit-project", "--no-dev"),
            *("-o", "exported.txt"),
        )
        project.uv_pip("sync", "--default-index", project.index, "--require-hashes", "exported.txt")
        assert project.installed() == INSTALLED

    def test_no_lock_is_relocated_where_no_url_is_known(self, unknown: Published) -> None:
        names = {path.name for path in (unknown.place.site / "pylock").iterdir()}
        assert names == {f"pylock.{name}.toml" for name in DEFAULT_PLATFORMS if name != NOARCH}


class TestSnippets:
    """``client-config`` is asked, and a shell and the tools do what it says."""

    def told(self, project: Published, *arguments: str) -> list[dict[str, str]]:
        config = str(project.place.root / "config.env")
        command = (sys.executable, "-m", "mirror_pipeline", "client-config", *arguments, "--json")
        answer = json.loads(project.place.run(*command, "--config", config, PYTHONPATH=str(ROOT)))
        found: list[dict[str, str]] = answer["snippets"]
        return found

    def shell(self, project: Published, script: str, **environ: str) -> None:
        """Run it with the tools of this environment, all installations going to the project's."""
        tools = [str(Path(sys.executable).parent), str(Path(project.uv).parent), os.environ["PATH"]]
        site_packages = next((project.place.project / ".venv/lib").glob("python*/site-packages"))
        project.place.run(
            *("/bin/bash", "-ec", script),
            PATH=os.pathsep.join(tools),
            UV_PYTHON=project.python,
            PIP_TARGET=str(site_packages),
            **{"PIP_CONFIG_FILE": str(project.place.root / "pip.conf"), **environ},
        )

    def test_the_commands_for_pip_and_uv(self, project: Published) -> None:
        pip, uv = self.told(project, "pip"), self.told(project, "uv")
        commands = [item["text"] for item in (*pip, *uv) if item["language"] == "bash"]
        assert len(commands) == 4
        for command, expected in zip(
            commands, (INSTALLED, INSTALLED | {"checker==7.0"}, INSTALLED, EVERYTHING), strict=True
        ):
            project.fresh()
            self.shell(project, command)
            assert project.installed() == expected

    def test_pip_with_its_configuration_file(self, project: Published) -> None:
        (settings,) = [item for item in self.told(project, "pip") if item["language"] == "ini"]
        (project.place.root / "pip.conf").write_text(settings["text"])
        self.shell(project, "python -m pip install -q 'fast[turbo]'")
        (project.place.root / "pip.conf").unlink()
        assert project.installed() == {"fast==3.1", "faster==0.9"}

    def test_uv_with_the_index_of_a_project(self, project: Published) -> None:
        (settings,) = [item for item in self.told(project, "uv") if item["language"] == "toml"]
        with (project.place.project / "pyproject.toml").open("a") as file:
            file.write(f"\n{settings['text']}")
        self.shell(project, "uv lock && uv sync --locked --no-dev")
        assert project.installed() == INSTALLED

    def test_pip_and_uv_with_a_login(self, project: Published, tmp_path: Path) -> None:
        book, home = tmp_path / "tokens.json", {"HOME": str(tmp_path)}
        token = Token("ci", digest_of("ci", "s3cret"), "2026-01-01", "a test")
        book.write_bytes(TokenBook(()).with_token(token).to_bytes())
        with serving(project.place.site, admits=WatchedBook(book)) as url:
            found = [
                item for name in ("pip", "uv") for item in self.told(project, name, "--private", "--url", url)
            ]
            commands = [item["text"] for item in found if item["text"].startswith(("python", "uv pip sync"))]
            assert len(commands) == 2
            with pytest.raises(AssertionError, match="401"):
                self.shell(project, commands[0], **home)
            netrc, exported = (
                next(item["text"] for item in found if part in item["text"])
                for part in ("machine", "UV_INDEX_MIRROR")
            )
            (tmp_path / ".netrc").write_text(netrc.replace("NAME", "ci").replace("TOKEN", "s3cret"))
            for command in commands:
                project.fresh()
                self.shell(project, command, **home)
                assert project.installed() == INSTALLED
            (index,) = [item["text"] for item in found if item["language"] == "toml"]
            with (project.place.project / "pyproject.toml").open("a") as file:
                file.write(f"\n{index}")
            login = exported.replace("=NAME", "=ci").replace("=TOKEN", "=s3cret")
            project.fresh()
            self.shell(project, f"{login}\nuv lock && uv sync --locked --no-dev")
            assert project.installed() == INSTALLED
            assert "s3cret" not in (project.place.project / "uv.lock").read_text()


def _versions(project: Published) -> set[str]:
    document = tomli.loads((project.place.project / "uv.lock").read_text())
    return {f"{package['name']}=={package['version']}" for package in document["package"]}


def test_a_platform_s_marker_is_true_of_its_machines_only() -> None:
    assert PLATFORMS[PLATFORM].marker.evaluate()
    assert not PLATFORMS[OTHER].marker.evaluate()
