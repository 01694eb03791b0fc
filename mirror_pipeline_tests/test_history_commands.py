"""``generations``, ``rollback``, ``gc`` and ``refresh --repair`` as people and programs use them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mirror_pipeline import cli
from mirror_pipeline.adapters.documents import encode
from mirror_pipeline.domain.generations import Hold
from mirror_pipeline_tests.aws_servers import S3Server
from mirror_pipeline_tests.mirrors import Kept, Workbench, example_packages, tree, workbench
from mirror_pipeline_tests.test_cli import Outcome

GREEDY = {"MIRROR_KEEP_GENERATIONS": "1", "MIRROR_GRACE_DAYS": "0"}
WHY = "new breaks the build"
LONG_AGO = 1_500_000_000
Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Three generations: with beta, with another winonly, and as a workbench is at first."""
    root = tmp_path_factory.mktemp("history")
    place, copy = root / "bench", root / "kept"
    with workbench(place) as bench:
        bench.add_pin("beta")
        assert not bench.refresh().failures
        del bench.packages["beta"]
        bench.bump_windows()
        assert not bench.refresh().failures
        bench.packages = example_packages()
        bench.write()
        assert bench.refresh().generation == 3
        values = {key: value for key, value in bench.values.items() if key != "MIRROR_INDEX_URL"}
    shutil.copytree(place, copy, symlinks=True)
    return Kept(place, copy, values)


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(bench: Workbench, *arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.run([*arguments, "--config", str(bench.config)])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def ask(run: Run) -> Callable[..., Mapping[str, Any]]:
    """The answer of a command that ends well."""

    def call(bench: Workbench, *arguments: str) -> Mapping[str, Any]:
        done = run(bench, *arguments, "--json")
        assert done.code == 0, (done.out, done.err)
        assert done.answer["status"] == "ok"
        return done.answer

    return call


Ask = Callable[..., Mapping[str, Any]]


def everything(bench: Workbench) -> Mapping[str, str]:
    return tree(bench.root, without=["home/dagster", "home/turns"])


def live(bench: Workbench) -> str:
    return bench.site.readlink().name


def recorded(bench: Workbench) -> tuple[Mapping[str, object], Mapping[str, str], str]:
    """The last materialization of ``s3_sync``: metadata, the tags of its run, and its data version."""
    with bench.instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("s3_sync"))
        assert event is not None
        assert event.asset_materialization is not None
        run = instance.get_run_by_id(event.run_id)
        assert run is not None
        metadata = {key: value.value for key, value in event.asset_materialization.metadata.items()}
        tags = event.asset_materialization.tags or {}
        return metadata, run.tags, tags["dagster/data_version"]


def state_of(answer: Mapping[str, Any], asset: str) -> tuple[str, str]:
    return next((one["state"], one["why"]) for one in answer["assets"] if one["asset"] == asset)


class TestGenerations:
    def test_for_programs(self, bench: Workbench, ask: Ask) -> None:
        answer = ask(bench, "generations")
        assert (answer["site"], answer["live"], answer["hold"]) == (str(bench.site), 3, None)
        assert [one["number"] for one in answer["generations"]] == [1, 2, 3]
        for one in answer["generations"]:
            assert one.keys() == {
                "number", "made", "by", "manifest", "requirements", "lock", "packages", "pages", "size",
                "left", "removed",
            }  # fmt: skip
            assert len(one["lock"]) > 20
            assert "@" in one["by"]
            assert one["removed"] == ""
        first, second, third = answer["generations"]
        assert [one["packages"] for one in answer["generations"]] == [6, 5, 5]
        assert first["lock"] != second["lock"] != third["lock"]
        assert first["made"] <= first["left"] <= second["left"]
        assert third["left"] == ""

    def test_for_people(self, bench: Workbench, run: Run) -> None:
        done = run(bench, "generations")
        assert done.code == 0
        assert f"Generations of {bench.site}" in done.out
        assert [line.split()[1:3] for line in done.out.splitlines() if "live" in line] == [["3", "│"]]

    def test_changes_nothing(self, bench: Workbench, ask: Ask) -> None:
        before = everything(bench)
        ask(bench, "generations")
        assert everything(bench) == before

    def test_before_the_first(self, tmp_path: Path, ask: Ask) -> None:
        with workbench(tmp_path / "bench") as empty:
            answer = ask(empty, "generations")
            assert (answer["live"], answer["generations"]) == (None, [])


class TestRollback:
    def test_goes_to_the_one_before_and_is_recorded_with_its_reason(self, bench: Workbench, ask: Ask) -> None:
        answer = ask(bench, "rollback", "--reason", WHY)
        assert (answer["generation"], answer["before"], answer["site"]) == (2, 3, str(bench.site))
        assert (answer["hold"]["generation"], answer["hold"]["reason"]) == (2, WHY)
        assert live(bench) == "2"

        told = ask(bench, "generations")
        assert (told["live"], told["hold"]) == (2, answer["hold"])
        metadata, tags, version = recorded(bench)
        assert metadata["generation"] == 2
        assert WHY in str(metadata["rolled back"])
        assert tags["mirror_pipeline/rollback"] == WHY
        assert version == f"{told['generations'][1]['manifest']}-2"

    def test_goes_to_any(self, bench: Workbench, run: Run) -> None:
        done = run(bench, "rollback", "1")
        assert done.code == 0
        assert "generation 1 is live (before: 3)" in done.err
        assert "held at generation 1 since" in done.out
        assert "no reason given" in done.out
        assert "refresh --force" in done.out
        assert live(bench) == "1"
        assert "beta" in (bench.site / "simple" / "index.html").read_text("utf-8")
        shown = run(bench, "generations").out
        assert "held at generation 1" in shown

    @pytest.mark.parametrize("number", ["4", "0", "-1", "two"])
    def test_to_one_that_is_not_there(self, bench: Workbench, run: Run, number: str) -> None:
        before = everything(bench)
        done = run(bench, "rollback", "--json", number)
        assert done.code == 2
        assert done.error["kind"] == "usage"
        if number == "4":
            assert done.error["message"] == "generation 4 is not there"
            assert done.error["hint"] == "kept: 1, 2, 3"
        assert everything(bench) == before

    def test_is_not_undone_by_the_next_refresh_which_says_so(
        self, bench: Workbench, ask: Ask, run: Run
    ) -> None:
        ask(bench, "rollback", "1", "--reason", WHY)
        assert state_of(ask(bench, "status"), "s3_sync") == ("fresh", "")

        first = ask(bench, "refresh")
        assert [one["asset"] for one in first["recomputed"]] == ["verification_report"]
        second = ask(bench, "refresh")
        assert (second["recomputed"], second["generation"]) == ([], 1)
        assert WHY in second["held"]
        assert live(bench) == "1"
        assert ask(bench, "status")["fresh"] is True
        shown = run(bench, "refresh").out
        assert WHY in shown
        assert "held" in shown

    def test_is_what_verification_judges(self, bench: Workbench, ask: Ask, run: Run) -> None:
        ask(bench, "rollback", "1", "--reason", WHY)
        answer = ask(bench, "verify")
        assert (answer["passed"], answer["generation"], answer["findings"]) == (True, 1, [])
        assert "held at generation 1 since" in str(answer["notes"])
        assert WHY in run(bench, "verify").out + (bench.home / "reports/verification-latest.md").read_text(
            "utf-8"
        )

    def test_ends_when_the_lock_changes(self, bench: Workbench, ask: Ask) -> None:
        ask(bench, "rollback", "1")
        bench.add_pin("gamma")
        answer = ask(bench, "refresh")
        assert (answer["generation"], answer["held"]) == (4, "")
        assert live(bench) == "4"
        assert (bench.site / "simple" / "gamma" / "index.html").is_file()
        assert ask(bench, "generations")["hold"] is None

    def test_does_not_end_when_the_lock_is_only_written_anew(self, bench: Workbench, ask: Ask) -> None:
        ask(bench, "rollback", "1")
        bench.add_comment()
        assert ask(bench, "refresh")["generation"] == 1
        assert live(bench) == "1"

    def test_ends_by_force(self, bench: Workbench, ask: Ask) -> None:
        published = bench.published()
        ask(bench, "rollback", "1")
        answer = ask(bench, "refresh", "--force")
        assert (answer["generation"], answer["held"]) == (4, "")
        assert bench.published() == published
        again = ask(bench, "refresh")
        assert (again["generation"], again["recomputed"]) == (4, [])

    def test_can_be_gone_back_from(self, bench: Workbench, ask: Ask) -> None:
        ask(bench, "rollback", "1")
        answer = ask(bench, "rollback")
        assert (answer["before"], answer["generation"]) == (1, 3)
        assert ask(bench, "refresh")["generation"] == 3
        assert live(bench) == "3"

    def test_that_was_interrupted_is_finished_by_the_next_refresh(self, bench: Workbench, ask: Ask) -> None:
        requirements = ask(bench, "generations")["generations"][2]["requirements"]
        hold = Hold(1, requirements, WHY, "ann@example", "2026-11-20T00:00:00+00:00")
        (bench.home / "generations" / "hold.json").write_bytes(encode(hold))

        assert state_of(ask(bench, "status"), "s3_sync")[0] == "stale"
        answer = ask(bench, "refresh")
        assert {"asset": "s3_sync", "partition": None} in answer["recomputed"]
        assert (answer["generation"], live(bench)) == (1, "1")
        assert WHY in answer["held"]
        assert WHY in str(recorded(bench)[0]["rolled back"])
        assert ask(bench, "refresh")["recomputed"] == []

    def test_whose_end_was_interrupted_ends_with_the_next_refresh(self, bench: Workbench, ask: Ask) -> None:
        """``refresh --force`` was killed between the end of the hold and the switch."""
        ask(bench, "rollback", "1")
        ask(bench, "refresh")
        begun = Hold(4, "", "", "ann@example", "2026-11-20T00:00:00+00:00")
        (bench.home / "generations" / "hold.json").write_bytes(encode(begun))
        assert ask(bench, "generations")["hold"] is None
        answer = ask(bench, "refresh")
        assert (answer["generation"], answer["held"]) == (4, "")
        assert not (bench.home / "generations" / "hold.json").exists()


class TestGc:
    def test_says_what_would_go_and_changes_nothing(self, bench: Workbench, ask: Ask, run: Run) -> None:
        bench.configure(**GREEDY)
        before = everything(bench)
        answer = ask(bench, "gc")
        assert (answer["dry_run"], answer["generations"], answer["store"]) == (
            True, [1, 2], {"keys": [], "bytes": 0}
        )  # fmt: skip
        assert answer["bytes"] == answer["site"]["bytes"] > 0
        assert {key for key in answer["site"]["keys"] if not key.endswith(".metadata")} == {
            "generations/1",
            "generations/2",
            "packages/beta-1.0-py3-none-any.whl",
            "packages/winonly-1.1-cp310-abi3-win_amd64.whl",
        }
        shown = run(bench, "gc")
        assert shown.code == 0
        assert "Would be removed" in shown.out
        assert "generations: 1, 2;" in shown.out
        assert "'mirror-pipeline gc --yes' removes them." in shown.out
        assert everything(bench) == before

    def test_a_person_reads_a_row_per_generation_and_some_names(
        self, bench: Workbench, run: Run, ask: Ask
    ) -> None:
        bench.configure(**GREEDY)
        for number in range(30):
            path = bench.home / "packages" / f"nobodys{number}-1.0-py3-none-any.whl"
            path.write_bytes(b"nobody's")
            os.utime(path, (LONG_AGO, LONG_AGO))
        files = len(ask(bench, "gc")["site"]["keys"])
        lines = run(bench, "gc").out.splitlines()
        cells = [[cell.strip() for cell in line.split("│")[1:4]] for line in lines if line.startswith("│")]
        what = [(name, int(number)) for where, name, number in cells if where == "site"]
        assert [name for name, _ in what[:2]] == ["generations/1", "generations/2"]
        assert ("packages/beta-1.0-py3-none-any.whl", 2) in what
        assert what[-1] == ("… and 12 more", 13)
        assert len(what) == 23
        assert sum(number for _, number in what) == files

    def test_frees_what_it_said(self, bench: Workbench, ask: Ask, run: Run) -> None:
        bench.configure(**GREEDY)
        told, before = ask(bench, "gc"), bench.published()
        size = _size(bench)
        done = ask(bench, "gc", "--yes")
        assert {**done, "dry_run": True} == told
        records = sum(len(path.read_bytes()) for path in (bench.home / "generations").glob("*.json"))
        assert size - _size(bench) == pytest.approx(done["bytes"], abs=records)
        assert not any((bench.home / key).exists() for key in done["site"]["keys"])

        assert bench.published() == before
        assert ask(bench, "verify")["passed"] is True
        first, second, third = ask(bench, "generations")["generations"]
        assert (bool(first["removed"]), bool(second["removed"]), third["removed"]) == (True, True, "")
        assert first["lock"]
        assert "removed" in run(bench, "generations").out
        nowhere = run(bench, "rollback", "--json")
        assert (nowhere.code, nowhere.error["message"]) == (2, "there is no earlier generation")
        gone = run(bench, "rollback", "1", "--json")
        assert (gone.code, gone.error["hint"]) == (2, "kept: 3")
        assert ask(bench, "gc", "--yes")["generations"] == []
        assert ask(bench, "refresh")["generation"] == 3

    def test_keeps_what_is_young_or_among_the_newest(self, bench: Workbench, ask: Ask, run: Run) -> None:
        before = everything(bench)
        answer = ask(bench, "gc", "--yes")
        assert (answer["generations"], answer["bytes"], answer["site"]["keys"]) == ([], 0, [])
        shown = run(bench, "gc").out
        assert "generations: none; 0 files" in shown
        assert "--yes" not in shown
        assert everything(bench) == before

    def test_keeps_what_is_held(self, bench: Workbench, ask: Ask) -> None:
        ask(bench, "rollback", "1")
        bench.configure(**GREEDY)
        assert ask(bench, "gc", "--yes")["generations"] == [2]
        assert ask(bench, "verify")["generation"] == 1
        assert ask(bench, "refresh")["generation"] == 1

    def test_keeps_what_is_wanted_and_was_not_published_yet(
        self, bench: Workbench, ask: Ask, run: Run
    ) -> None:
        bench.configure(**GREEDY)
        good = bench.add_pin("gamma")
        bench.upstream.remove(bench.add_pin("delta"))
        assert run(bench, "refresh").code == 3
        store = bench.home / "packages"
        (store / "nobodys-1.0-py3-none-any.whl").write_bytes(b"nobody's")
        for path in store.iterdir():
            os.utime(path, (LONG_AGO, LONG_AGO))
        keys = ask(bench, "gc", "--yes")["site"]["keys"]
        assert "packages/nobodys-1.0-py3-none-any.whl" in keys
        assert (store / good.file).is_file()
        assert ask(bench, "generations")["live"] == 3


def _size(bench: Workbench) -> int:
    folders = (bench.home / "generations", bench.home / "packages")
    files = [path for folder in folders for path in folder.rglob("*")]
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


class TestRepair:
    def test_a_damaged_package_and_a_damaged_page(self, bench: Workbench, ask: Ask, run: Run) -> None:
        dist, published = bench.dist("alpha"), bench.published()
        package, page = bench.home / "packages" / dist.file, bench.site / "simple/alpha/index.html"
        damaged = dist.content[:-1] + bytes([dist.content[-1] ^ 1])
        package.write_bytes(damaged)
        page.unlink()
        assert ask(bench, "refresh")["recomputed"] == [], "a file behind our back is not looked at"
        assert run(bench, "verify").code == 1
        assert package.read_bytes() == damaged

        answer = ask(bench, "refresh", "--repair")
        assert answer["downloaded_files"] == 1
        assert package.read_bytes() == dist.content
        assert bench.published() == published
        assert answer["verified"] is True

    def test_of_what_is_sound_changes_nothing(self, bench: Workbench, ask: Ask) -> None:
        before = tree(bench.root, without=["home/dagster", "home/turns", "home/reports", "home/documents"])
        answer = ask(bench, "refresh", "--repair")
        assert {one["asset"] for one in answer["recomputed"]} == {"wheels", "s3_sync", "verification_report"}
        assert (answer["downloaded_files"], answer["uploaded"], answer["generation"]) == (0, 0, 3)
        assert (
            tree(bench.root, without=["home/dagster", "home/turns", "home/reports", "home/documents"])
            == before
        )

    def test_during_a_rollback_the_rollback_stays(self, bench: Workbench, ask: Ask) -> None:
        ask(bench, "rollback", "1", "--reason", WHY)
        (bench.home / "packages" / bench.dist("alpha").file).unlink()
        answer = ask(bench, "refresh", "--repair")
        assert (answer["downloaded_files"], answer["generation"]) == (1, 1)
        assert WHY in answer["held"]


class TestBucket:
    """The same on somebody else's S3 server, which has neither conditions nor a front."""

    @pytest.fixture
    def in_place(self, bench: Workbench, rclone: S3Server, monkeypatch: pytest.MonkeyPatch) -> Workbench:
        for name, value in rclone.environment().items():
            monkeypatch.setenv(name, value)
        bench.configure(BUCKET_NAME=rclone.bucket(), S3_ENDPOINT_URL=rclone.url)
        return bench

    def test_from_the_first_publication_to_gc(
        self, in_place: Workbench, ask: Ask, run: Run, rclone: S3Server
    ) -> None:
        bench, bucket = in_place, in_place.values["BUCKET_NAME"]
        client = rclone.client()

        def page() -> str:
            body = client.get_object(Bucket=bucket, Key="simple/index.html")["Body"].read()
            assert isinstance(body, bytes)
            return body.decode()

        answer = ask(bench, "refresh")
        assert (answer["site"], answer["generation"], answer["verified"]) == (f"s3://{bucket}", 1, True)
        assert answer["uploaded"] > 10
        assert ask(bench, "refresh")["recomputed"] == []
        forced = ask(bench, "refresh", "--force")
        assert (forced["generation"], forced["uploaded"]) == (1, 0)
        metadata, _, _ = recorded(bench)
        assert (metadata["requests"], metadata["uploaded"], metadata["bytes"]) == (1, 0, 0)
        assert metadata["skipped"] == metadata["files"]

        bench.add_pin("beta")
        assert ask(bench, "refresh")["generation"] == 2
        assert "beta" in page()
        told = ask(bench, "generations")
        assert (told["live"], [one["packages"] for one in told["generations"]]) == (2, [5, 6])

        bench.configure(MIRROR_HOME="elsewhere")  # another machine, which never published
        done = run(bench, "rollback", "--reason", WHY, "--json")
        assert (done.code, done.answer["before"], done.answer["generation"]) == (0, 2, 1), done.err
        assert done.answer["recorded"] is False
        assert "nothing was ever published from here" in done.err
        assert "beta" not in page()

        bench.configure(MIRROR_HOME="home")
        held = ask(bench, "refresh")
        assert (held["generation"], WHY in held["held"], held["verified"]) == (1, True, True)
        assert WHY in str(recorded(bench)[0]["rolled back"])
        assert ask(bench, "refresh", "--force")["generation"] == 3
        assert "beta" in page()

        bench.configure(**GREEDY)
        nobodys = bench.home / "packages" / "nobodys-1.0-py3-none-any.whl"
        nobodys.write_bytes(b"nobody's")
        os.utime(nobodys, (LONG_AGO, LONG_AGO))
        dry = ask(bench, "gc")
        assert (dry["dry_run"], dry["generations"]) == (True, [1, 2])
        assert nobodys.name in dry["store"]["keys"]
        assert not any("beta" in key or "alpha" in key for key in dry["store"]["keys"])
        assert dry["bytes"] == dry["site"]["bytes"] + dry["store"]["bytes"]
        shown = run(bench, "gc").out
        assert nobodys.name in shown
        assert ".mirror/" in shown
        assert nobodys.is_file()
        freed = ask(bench, "gc", "--yes")
        assert not nobodys.exists()
        assert {**freed, "dry_run": True} == dry
        there = {found["Key"] for found in client.list_objects_v2(Bucket=bucket)["Contents"]}
        assert there.isdisjoint(freed["site"]["keys"])
        assert "packages/beta-1.0-py3-none-any.whl" in there
        assert run(bench, "rollback", "2").code == 2
