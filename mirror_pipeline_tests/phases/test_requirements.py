"""What makes the requirements other ones, and how the planner comes to know."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from mirror_pipeline.automation import observed
from mirror_pipeline.errors import SettingsError
from mirror_pipeline.phases.lock import load_snapshot, take_snapshot
from mirror_pipeline.phases.requirements import DOCUMENT, WRITTEN, Requirements, Written, make_requirements
from mirror_pipeline_tests.locks import digest_of
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    ONLY_WINDOWS,
    PACKAGES,
    World,
    gather,
    locked,
    plan,
    run,
    tree,
)

UV_LOCK = f"""\
version = 1
requires-python = ">=3.10"
{{more}}
[[package]]
name = "shop"
version = "1.0"
source = {{{{ virtual = "." }}}}
optional-dependencies = {{{{ cpu = [{{{{ name = "alpha" }}}}], gpu = [{{{{ name = "alpha" }}}}] }}}}

[[package]]
name = "alpha"
version = "1.0"
source = {{{{ registry = "https://index.example/simple" }}}}
wheels = [{{{{ url = "https://files.example/{ALPHA.file}", hash = "sha256:{ALPHA.sha256}" }}}}]
"""


def version(world: World) -> str:
    """The requirements' version, as a new process makes it."""
    mirror = world.mirror()
    take_snapshot(mirror)
    return make_requirements(mirror).requirements.version


@pytest.mark.parametrize(
    "more",
    [
        "supported-markers = [\"sys_platform == 'linux'\"]",
        'conflicts = [[{ package = "shop", extra = "cpu" }, { package = "shop", extra = "gpu" }]]',
    ],
)
def test_whatever_selection_looks_at_makes_other_requirements(world: World, more: str) -> None:
    (world.root / "shop" / "poetry.lock").unlink()
    lock = world.root / "shop" / "uv.lock"
    lock.write_text(UV_LOCK.format(more=""))
    before = version(world)
    lock.write_text(UV_LOCK.format(more="# read by nobody"))
    assert version(world) == before
    lock.write_text(UV_LOCK.format(more=more))
    assert version(world) != before


def test_extras_that_exclude_each_other_are_warned_of(world: World) -> None:
    (world.root / "shop" / "poetry.lock").unlink()
    more = 'conflicts = [[{ package = "shop", extra = "cpu" }, { package = "shop", extra = "gpu" }]]'
    (world.root / "shop" / "uv.lock").write_text(UV_LOCK.format(more=more))
    take_snapshot(mirror := world.mirror())
    made = make_requirements(mirror)
    expected = (
        "shop: extras or groups exclude each other (cpu, gpu): requirements-all.txt cannot be installed as a "
        "whole; the locks in pylock/ ask for them"
    )
    assert [text for text in made.warnings if "exclude each other" in text] == [expected]
    assert '"cpu" in extras' in made.requirements.texts["pylock.toml"].replace("\\", "").replace("'", '"')


def test_an_index_made_from_other_requirements_is_seen(world: World) -> None:
    run(world.mirror())
    assert "index" not in observed(world.mirror())
    world.lock(locked(ALPHA), locked(ONLY_WINDOWS, markers='sys_platform == "win32"'))
    plan(world.mirror())
    assert "index" not in observed(world.mirror()), "the wheels come first"
    gather(world.mirror())
    assert "index" in observed(world.mirror())
    run(world.mirror())
    assert "index" not in observed(world.mirror())


def test_a_checkout_that_was_moved_lacks_its_files(world: World) -> None:
    plan(world.mirror())
    home = {"MIRROR_HOME": str(world.home)}
    moved = World(world.root / "moved", world.upstream)
    moved.lock(*PACKAGES)
    assert "requirements" not in observed(world.mirror(**home))
    assert "requirements" in observed(moved.mirror(**home))
    plan(moved.mirror(**home))
    assert "requirements" not in observed(moved.mirror(**home))
    assert (moved.root / "requirements-prod.txt").is_file()


def test_a_snapshot_of_another_checkout_is_read_as_one_of_this(world: World) -> None:
    take_snapshot(world.mirror())
    home = {"MIRROR_HOME": str(world.home)}
    moved = World(world.root / "moved", world.upstream).mirror(**home)
    (project,) = load_snapshot(moved).projects
    assert project.folder == str(world.root / "moved" / "shop")
    assert load_snapshot(world.mirror()).projects[0].folder == str(world.root / "shop")


def test_hashes_that_no_index_knows_are_asked_about_where_other_indexes_are_configured(world: World) -> None:
    def write(*digests: str) -> None:
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in digests)
        (world.root / "shop" / "requirements.txt").write_text(f"alpha==1.0 {hashes}\n")

    (world.root / "shop" / "poetry.lock").unlink()
    write(ALPHA.sha256, digest_of("unknown"))
    version(world)
    elsewhere = {"MIRROR_EXTRA_INDEX_URLS": "https://someone:secret@index.example/simple"}
    assert "requirements" not in observed(world.mirror())
    assert "requirements" in observed(world.mirror(**elsewhere))
    write(ALPHA.sha256)
    version(world)
    assert "requirements" not in observed(world.mirror(**elsewhere))


def hashed(*digests: str) -> str:
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in digests)
    return f"alpha==1.0 {hashes}\n"


class TestWhatIsNotOurs:
    def refused(self, world: World) -> SettingsError:
        """The error; neither a file nor a document is other than before."""
        mirror = world.mirror()
        take_snapshot(mirror)
        before = tree(world.root)
        with pytest.raises(SettingsError) as caught:
            make_requirements(mirror)
        assert tree(world.root) == before
        return caught.value

    @pytest.mark.parametrize(
        ("files", "values", "named"),
        [
            (
                {"requirements-prod.txt": hashed(ALPHA.sha256)},
                {"ORBIT_PROJECT": "requirements-prod.txt"},
                "requirements-prod.txt",
            ),
            (
                {"in.txt": "-r requirements-all.txt\n", "requirements-all.txt": hashed(ALPHA.sha256)},
                {"ORBIT_PROJECT": "in.txt"},
                "requirements-all.txt",
            ),
            (
                {"in.txt": hashed(ALPHA.sha256), "requirements-all.txt": hashed(ALPHA.sha256)},
                {"ORBIT_PROJECT": "in.txt", "MIRROR_REQUIREMENTS_DEV": "requirements-all.txt"},
                "requirements-all.txt",
            ),
            (
                {
                    "app/requirements.txt": "-r ../requirements/app-prod.txt\n",
                    "requirements/app-prod.txt": hashed(ALPHA.sha256),
                },
                {"ORBIT_PROJECT": f"shop{os.pathsep}app"},
                "requirements/app-prod.txt",
            ),
        ],
    )
    def test_a_project_s_own_file_is_never_an_output(
        self, world: World, files: Mapping[str, str], values: Mapping[str, str], named: str
    ) -> None:
        for name, text in files.items():
            (world.root / name).parent.mkdir(exist_ok=True)
            (world.root / name).write_text(text)
        world.values.update(values)
        for exporter in ("lock", "poetry"):
            world.values["MIRROR_EXPORTER"] = exporter
            error = self.refused(world)
            assert str(world.root / named) in error.message
            assert error.facts["file"] == str(world.root / named)
            assert "config.env" in error.hint

    def test_it_is_one_whatever_header_it_has_and_by_whatever_path(self, world: World) -> None:
        version(world)
        world.root.joinpath("in.txt").symlink_to("requirements-prod.txt")
        (world.root / "requirements-prod.txt").write_text(
            "# Written by mirror-pipeline\n" + hashed(ALPHA.sha256)
        )
        world.values["ORBIT_PROJECT"] = "in.txt"
        assert "requirements-prod.txt" in str(self.refused(world))

    def test_the_lock_in_the_home_is_not_written_over_another(self, world: World) -> None:
        (world.root / "pylock.toml").write_text(
            'lock-version = "1.0"\ncreated-by = "me"\n[[packages]]\nname = "alpha"\nversion = "1.0"\n'
            f'[[packages.wheels]]\nurl = "https://files.example/{ALPHA.file}"\n'
            f'hashes = {{ sha256 = "{ALPHA.sha256}" }}\n'
        )
        world.values.update({"ORBIT_PROJECT": "pylock.toml", "MIRROR_HOME": "."})
        assert "pylock.toml" in str(self.refused(world))

    def test_a_file_kept_by_hand_is_not_replaced(self, world: World) -> None:
        kept = world.root / "requirements-all.txt"
        kept.write_text("# by hand\nalpha\n")
        error = self.refused(world)
        assert str(kept) in error.message
        assert "move it" in error.hint
        assert world.mirror().documents.find(DOCUMENT, Requirements) is None
        kept.rename(world.root / "mine.txt")
        version(world)
        assert "alpha==1.0" in kept.read_text()

    def test_what_was_written_is_known_by_its_header_where_the_record_is_gone(self, world: World) -> None:
        version(world)
        path = world.root / "requirements-prod.txt"
        written = path.read_text()
        (world.home / "documents" / f"{WRITTEN}.json").unlink()
        path.write_text(written.replace("alpha==1.0", "alpha==0.9"))
        version(world)
        assert path.read_text() == written

    def test_what_is_on_record_is_rewritten_whatever_it_says_now(self, world: World) -> None:
        version(world)
        path = world.root / "requirements-prod.txt"
        written = path.read_text()
        path.write_text("alpha\n")
        version(world)
        assert path.read_text() == written

    def test_an_exporter_s_text_has_no_header(self, world: World) -> None:
        """So where one is asked for, a text without it may be one that was written."""
        (world.root / "shop" / "poetry.lock").unlink()
        (world.root / "shop" / "requirements.txt").write_text(hashed(ALPHA.sha256))
        world.values["MIRROR_EXPORTER"] = "poetry"
        (world.root / "requirements-all.txt").write_text("alpha\n")
        version(world)
        assert "--hash" in (world.root / "requirements-all.txt").read_text()
        written = world.mirror().documents.read(WRITTEN, Written)
        assert set(written.digests) == {"requirements-prod.txt", "requirements-all.txt"}
