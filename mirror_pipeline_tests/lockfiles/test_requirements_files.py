"""Requirements files: lines and options, includes and constraints, places to install from, and refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pip._internal.req.req_file import parse_requirements

from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Root, Selection, Source, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import files_beside, read_lock
from mirror_pipeline_tests.locks import digest_of
from mirror_pipeline_tests.requirement_files import LOCK, required, requirements, requirements_file

PATH = f"shop/{LOCK}"
DIGEST = digest_of("a")
HASH = f"--hash=sha256:{DIGEST}"
OTHER = f"--hash=sha256:{digest_of('b')}"
WHEEL = "https://files.example/a-1.0-py3-none-any.whl"


def read(text: str, others: Mapping[str, str] | None = None, *, dev: Sequence[str] = ()) -> Lock:
    return read_lock(requirements(text, others, dev=dev))


def only(text: str, others: Mapping[str, str] | None = None) -> Pin:
    (pin,) = read(text, others).pins
    return pin


def labels(lock: Lock) -> str:
    return " ".join(pin.label for pin in lock.pins)


def wanted(lock: Lock, platform: str = "linux-x86_64", python: str = "3.12", *, dev: bool = True) -> str:
    target = Target(PLATFORMS[platform], Python.parse(python))
    chosen = everything(lock) if dev else Selection()
    return " ".join(sorted(pin.label for pin in pins_for_target(graph_of(lock), chosen, target)))


def refused(text: str | bytes, others: Mapping[str, str] | None = None, *, line: int | None = 1) -> str:
    with pytest.raises(LockError) as caught:
        read_lock(requirements(text, others))
    error = caught.value
    path = error.facts["lock"]
    assert str(error).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert error.facts.get("line") == line
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return str(error)


class TestLines:
    def test_a_pin_has_hashes_and_no_file_names(self) -> None:
        digests = (digest_of("one"), digest_of("two"))
        lock = read(requirements_file(required("Demo_Lib", "1.0+cpu", hashes=digests, extras=["x", "y"])))
        (pin,) = lock.pins
        assert (pin.name, pin.label, pin.files, pin.hashes, pin.unhashed) == (
            "demo-lib",
            "demo-lib==1.0+cpu",
            (),
            digests,
            False,
        )
        assert pin.source == Source()
        assert (lock.project, lock.format, lock.format_version) == ("shop", "requirements", "")
        assert (lock.requires_python, lock.groups, lock.extras, lock.warnings) == ("", (), (), ())

    @pytest.mark.parametrize(
        "text",
        [
            f"a==1.0 {HASH}",
            f"a == 1.0 {HASH}",
            f"a===1.0 {HASH}",
            f"a (==1.0) {HASH}",
            f"a==1.0,>=0.9 {HASH}",
            f"A[x, y]==1.0 --hash sha256:{DIGEST}",
            f"a==1.0\t{HASH}",
            f"a==1.0 \\\n    {HASH}",
            f"a==1.0 \\\n\\\n    {HASH} # via b",
            f"a==1.0 \\\n    {HASH} \\\n    # via b",
            f"# first \\\na==1.0 --hash='sha256:{DIGEST}'",
            f"a==1.0 --hash=sha256:{DIGEST.upper()} --hash=sha384:{'0' * 96}",
            f"a==1.0 {HASH} --config-settings=--x=y",
            f"\n\n  a==1.0 {HASH}  \n\n",
        ],
    )
    def test_spellings_of_one_pin(self, text: str) -> None:
        pin = only(text)
        assert (pin.label, pin.hashes) == ("a==1.0", (DIGEST,))

    def test_a_marker_says_where_a_pin_holds(self) -> None:
        lock = read(
            requirements_file(
                required("a", "1.0", marker="python_version < '3.12'"),
                required("a", "2.0", marker="python_version >= '3.12'"),
                required("b", marker='sys_platform == "win32" and extra != "x"'),
            )
        )
        assert wanted(lock, python="3.11") == "a==1.0"
        assert wanted(lock, "windows-amd64") == "a==2.0 b==1.0"

    def test_an_extra_that_nobody_can_select_is_never_wanted(self) -> None:
        assert wanted(read("a==1.0 ; extra == 'x'\nb==1.0")) == "b==1.0"

    def test_a_pin_without_hashes_is_told_as_such(self) -> None:
        assert only("a==1.0").unhashed

    def test_the_same_version_twice_is_one_pin_that_accepts_both(self) -> None:
        pin = only(f"a==1.0 {HASH}\nA==1 {OTHER}")
        assert pin.hashes == (DIGEST, digest_of("b"))

    @pytest.mark.parametrize("text", ["# nothing\n", "--pre\n", "-r other.txt\n"])
    def test_a_file_without_requirements_is_legal_and_told(self, text: str) -> None:
        lock = read(text, {"other.txt": ""})
        assert (lock.pins, lock.warnings) == ((), (f"{PATH}: no requirements in it",))

    def test_windows_line_ends_and_a_byte_order_mark(self) -> None:
        text = requirements_file(required("a"), required("b", marker="os_name == 'nt'"))
        other = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
        assert read_lock(requirements(other)) == read(text)


class TestOptions:
    @pytest.mark.parametrize(
        "options",
        [
            "--require-hashes",
            "--pre",
            "--prefer-binary",
            "--no-binary :all:",
            "--only-binary=:all:",
            "--trusted-host index.example",
            "--use-feature fast-deps",
        ],
    )
    def test_what_is_not_for_a_lock_to_say_is_ignored(self, options: str) -> None:
        lock = read(f"{options}\na==1.0 {HASH}\n")
        assert (labels(lock), lock.warnings, lock.pins[0].source) == ("a==1.0", (), Source())

    @pytest.mark.parametrize(
        "text",
        [
            "-i https://one.example/simple\n--extra-index-url https://two.example/simple",
            "--extra-index-url=https://two.example/simple\n-ihttps://one.example/simple",
            "--index-url=https://one.example/simple --extra-index-url https://two.example/simple",
            "-r indexes.txt",
        ],
    )
    def test_indexes_hold_for_the_whole_set(self, text: str) -> None:
        others = {
            "indexes.txt": "--extra-index-url https://two.example/simple\n-i https://one.example/simple"
        }
        source = only(f"a==1.0 {HASH}\n{text}\n", others).source
        assert source == Source(url="https://one.example/simple", also=("https://two.example/simple",))

    def test_further_indexes_come_after_the_configured_one(self) -> None:
        pin = only(f"--extra-index-url https://two.example/simple\na==1.0 {HASH}")
        assert pin.source == Source(url=None, also=("https://two.example/simple",))

    @pytest.mark.parametrize("option", ["-f ./wheels", "--find-links=https://x.example", "--no-index"])
    def test_what_changes_where_files_come_from_is_told(self, option: str) -> None:
        (warning,) = read(f"a==1.0\n{option}").warnings
        assert warning.startswith(f"{PATH}:2: --")
        assert "is left out" in warning

    def test_credentials_from_the_environment_are_left_to_netrc(self) -> None:
        lock = read("-i https://user:${SECRET}@index.example/simple\na==1.0")
        assert lock.pins[0].source == Source(url="https://index.example/simple")
        assert lock.warnings == ()

    def test_an_index_that_only_its_user_knows_is_left_out_with_a_warning(self) -> None:
        lock = read("-i https://index.example/${SECRET}\n--extra-index-url ${SECRET}\na==1.0")
        assert lock.pins[0].source == Source()
        assert [warning.partition(" is ")[0] for warning in lock.warnings] == [
            f"{PATH}:1: --index-url",
            f"{PATH}:2: --extra-index-url",
        ]
        assert "SECRET" not in str(lock.warnings)


class TestIncludes:
    def test_includes_are_relative_to_the_file_that_names_them(self) -> None:
        others = {"sub/base.txt": "-r ../more.txt\n--requirement=own.txt\nb==1.0", "sub/own.txt": "c==1.0"}
        lock = read("-r sub/base.txt\na==1.0", {**others, "more.txt": "d==1.0"})
        assert labels(lock) == "d==1.0 c==1.0 b==1.0 a==1.0"
        assert {edge.origin for edge in lock.edges} == {Root()}

    def test_a_file_may_be_included_twice(self) -> None:
        others = {"one.txt": "-r base.txt", "two.txt": "-r base.txt", "base.txt": "a==1.0"}
        assert labels(read("-r one.txt\n-r two.txt", others)) == "a==1.0"

    @pytest.mark.parametrize(
        ("others", "path"),
        [
            ({"one.txt": f"-r {LOCK}"}, "shop/one.txt:1"),
            ({"one.txt": "\n-c two.txt", "two.txt": "-r one.txt"}, "shop/two.txt:1"),
            ({"one.txt": "a==1.0\n-r ./one.txt"}, "shop/one.txt:2"),
        ],
    )
    def test_a_circle_is_refused(self, others: Mapping[str, str], path: str) -> None:
        with pytest.raises(LockError, match="includes itself") as caught:
            read("-r one.txt", others)
        assert str(caught.value).startswith(f"{path}: ")

    def test_many_files_in_a_row_are_refused_before_python_gives_up(self) -> None:
        others = {f"{number}.txt": f"-r {number + 1}.txt" for number in range(2000)}
        with pytest.raises(LockError, match="too deeply"):
            read("-r 0.txt", others)

    def test_an_error_names_the_file_that_it_is_in(self) -> None:
        with pytest.raises(LockError) as caught:
            read("-r sub/base.txt", {"sub/base.txt": "\na==1.0\n>>>>>>> theirs\n"})
        assert str(caught.value).startswith("shop/sub/base.txt:3: merge-conflict marker")

    def test_a_group_has_files_of_its_own(self) -> None:
        others = {"dev.txt": f"-c {LOCK}\n-r {LOCK}\nb==1.0", "docs.txt": "c==1.0"}
        lock = read("a==1.0", others, dev=["dev.txt", "docs.txt"])
        assert lock.groups == ("dev",)
        assert wanted(lock, dev=False) == "a==1.0"
        assert wanted(lock) == "a==1.0 b==1.0 c==1.0"
        of_the_group = [edge.pin for edge in lock.edges if edge.origin == Root("group", "dev")]
        assert of_the_group == ["a==1.0", "b==1.0", "c==1.0"]

    def test_sets_may_pin_different_versions_and_share_the_first_ones_indexes(self) -> None:
        lock = read("-i https://one.example/simple\na==1.0", {"dev.txt": "a==2.0"}, dev=["dev.txt"])
        assert labels(lock) == "a==1.0 a==2.0"
        assert {pin.source.url for pin in lock.pins} == {"https://one.example/simple"}

    def test_a_group_may_have_an_index_of_its_own(self) -> None:
        others = {"dev.txt": "-i https://two.example/simple\na==1.0"}
        lock = read("-i https://one.example/simple\na==1.0", others, dev=["dev.txt"])
        assert {pin.key: pin.source.url for pin in lock.pins} == {
            "a==1.0": "https://one.example/simple",
            "a==1.0 #2": "https://two.example/simple",
        }

    def test_what_is_named_can_be_found_without_reading_it(self) -> None:
        text = (
            "-r base.txt\n?? --nope\n-csub/c.txt\n-r https://h.example/x\n  --requirement=../up.txt # x\n-r"
        )
        assert files_beside("a/main.txt", text.encode()) == ("a/base.txt", "a/sub/c.txt", "up.txt")
        assert files_beside("main.txt", b"--requirement=base.txt") == ("base.txt",)
        assert files_beside("main.txt", b"a==1.0 \\") == ()

    def test_what_no_disk_can_have_is_not_looked_for(self) -> None:
        assert files_beside("main.txt", f"-r {'x' * 300}\n-r 'a\0b'\n-r ok.txt".encode()) == ("ok.txt",)


class TestConstraints:
    def test_a_constraint_asks_for_nothing(self) -> None:
        assert labels(read("-c c.txt\na==1.0", {"c.txt": "a>=0.5\nb==1.0"})) == "a==1.0"

    def test_a_constraint_pins_what_has_no_version(self) -> None:
        others = {"c.txt": f"a==2.0 {HASH}\na==3.0"}
        pin = only("a<3 ; os_name == 'posix'\n-c c.txt", others)
        assert (pin.label, pin.hashes) == ("a==2.0", (DIGEST,))

    def test_the_marker_of_a_constraint_counts_too(self) -> None:
        others = {"c.txt": "a==1.0 ; python_version < '3.12'\na==2.0 ; python_version >= '3.12'"}
        lock = read("a ; os_name == 'posix' or sys_platform == 'cygwin'\n-c c.txt", others)
        assert (wanted(lock, python="3.11"), wanted(lock, python="3.12")) == ("a==1.0", "a==2.0")
        assert wanted(lock, "windows-amd64") == ""

    def test_a_constraint_may_name_a_file_at_a_url(self) -> None:
        pin = only("a\n-c c.txt", {"c.txt": f"a @ {WHEEL} {HASH}"})
        assert (pin.source, pin.files) == (Source("url", WHEEL), (LockedFile(WHEEL[22:], DIGEST, url=WHEEL),))

    @pytest.mark.parametrize(
        ("own", "constrained", "accepted"),
        [
            ("", HASH, {"a"}),
            (HASH, "", {"a"}),
            (f"{HASH} {OTHER}", OTHER, {"b"}),
        ],
    )
    def test_hashes_are_what_both_accept(self, own: str, constrained: str, accepted: set[str]) -> None:
        pin = only(f"a==1.0 {own}\n-c c.txt", {"c.txt": f"a==1.0 {constrained}"})
        assert set(pin.hashes) == {digest_of(name) for name in accepted}

    def test_hashes_without_anything_in_common_are_refused(self) -> None:
        message = refused(f"a==1.0 {HASH}\n-c c.txt", {"c.txt": f"a==1.0 {OTHER}"})
        assert "none of its hashes is accepted by shop/c.txt:1" in message

    def test_a_version_against_a_constraint_is_refused_with_both_lines(self) -> None:
        message = refused("a==1.0\n-c c.txt", {"c.txt": "\na>=2"})
        assert "a is pinned to 1.0, against a>=2 in shop/c.txt:2" in message

    def test_a_constraint_for_elsewhere_is_none_here(self) -> None:
        others = {"c.txt": "a==2.0 ; os_name == 'nt'"}
        assert labels(read("a==1.0 ; os_name != 'nt'\n-c c.txt", others)) == "a==1.0"


class TestPlaces:
    @pytest.mark.parametrize(
        ("text", "name", "kind", "url"),
        [
            ("-e .", "shop", "editable", "."),
            ("-e ./libs/Some_Lib[x]", "some-lib", "editable", "./libs/Some_Lib"),
            ("--editable=../lib ; os_name == 'posix'", "lib", "editable", "../lib"),
            (".[dev]", "shop", "directory", "."),
            ("libs/some.lib", "some-lib", "directory", "libs/some.lib"),
            ("/srv/lib", "lib", "directory", "/srv/lib"),
            ("/", "unnamed", "directory", "/"),
            ("a @ ./lib", "a", "directory", "./lib"),
            ("a @ file:///srv/lib", "a", "directory", "file:///srv/lib"),
            ("./b-1.0-py3-none-any.whl", "b", "path", "./b-1.0-py3-none-any.whl"),
            ("b-1.0.tar.gz", "b", "path", "b-1.0.tar.gz"),
            ("git+https://h.example/o/repo.git@v1", "repo", "git", "git+https://h.example/o/repo.git@v1"),
            ("-e git+https://u:p@h.example/r#egg=Foo&x=y", "foo", "git", "git+https://h.example/r"),
            ("a[x] @ git+https://${SECRET}@h.example/r", "a", "git", "git+https://h.example/r"),
            ("hg+https://h.example/r#egg=foo[x]==1", "foo", "git", "hg+https://h.example/r"),
        ],
    )
    def test_places_outside_the_mirror(self, text: str, name: str, kind: str, url: str) -> None:
        pin = only(text)
        assert (pin.name, pin.source.kind, pin.source.url) == (name, kind, url)
        assert (pin.source.mirrored, pin.unhashed, pin.files) == (False, False, ())

    @pytest.mark.parametrize(
        "text",
        [
            f"a @ {WHEEL} {HASH}",
            f"a@{WHEEL} {HASH}",
            f"a[x] @ {WHEEL} ; os_name == 'posix' {HASH}",
            f"a @ {WHEEL}#sha256={DIGEST}",
            f"{WHEEL}#sha256={DIGEST}",
            f"{WHEEL} \\\n  {HASH}",
        ],
    )
    def test_a_wheel_at_a_url_is_mirrored(self, text: str) -> None:
        pin = only(text)
        assert (pin.label, pin.source) == ("a==1.0", Source("url", WHEEL))
        assert pin.files == (LockedFile("a-1.0-py3-none-any.whl", DIGEST, url=WHEEL),)

    def test_a_url_may_tell_the_name_in_its_fragment(self) -> None:
        pin = only("https://h.example/main.zip#egg=Foo[x]")
        assert (pin.label, pin.source.kind) == ("foo==0", "url")

    def test_a_url_without_a_hash_is_told_as_such(self) -> None:
        pin = only(f"a @ {WHEEL}")
        assert (pin.files, pin.unhashed) == ((), True)

    def test_a_release_and_a_url_are_two_pins(self) -> None:
        lock = read(f"a==1.0 ; os_name == 'nt'\na @ {WHEEL} ; os_name != 'nt' {HASH}")
        assert [pin.source.kind for pin in lock.pins] == ["registry", "url"]
        assert len({pin.key for pin in lock.pins}) == 2


class TestRefusing:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("a", "a is not pinned: expected a==<version>"),
            ("a>=1.0", "a is not pinned"),
            ("a==1.*", "a is not pinned"),
            ("a===one", "'one' is not a version"),
            ("a==1.0,>2", "no version satisfies"),
            ("hello world", "'hello world' is not a requirement"),
            ("a==1.0/b", "is not a requirement"),
            ("a==1.0 ; nope == '1'", "is not a requirement"),
            ("./lib ; nope == '1'", "is not an environment marker"),
            ("./lib ; " + "(" * 300 + "os_name == 'nt'" + ")" * 300, "nested too deeply"),
            ("a==" + "9" * 5000, "is too long to be a requirement"),
            ("a==1.0 --nope", "no such option: --nope"),
            ("--nope", "no such option: --nope"),
            ("-r", "-r option requires 1 argument"),
            ("-e", "-e without a project"),
            ("--pre=x", "--pre option does not take a value"),
            ("--pre x", "'x' does not belong among options"),
            ("a==1.0 --hash='x", "a quotation mark without its counterpart"),
            ("a==1.0 --hash=sha256:00", "expected --hash=sha256:<64 hexadecimal digits>, found 'sha256:00'"),
            ("a==1.0 --hash=", "expected --hash=sha256"),
            (f"a==1.0 --hash=md5:{'0' * 32}", "only md5 hashes, expected sha256"),
            (HASH, r"a hash without a requirement"),
            (r"a==1.0 \\", "goes on after the end of the file"),
            ("-r nope.txt", "includes nope.txt, which is not there"),
            (
                "-c https://u:SECRET@h.example/c.txt",
                "includes https://h.example/c.txt, and URLs are not followed",
            ),
            ("-r ${SECRET}/c.txt", r"includes \*\*\*/c.txt, which is not there"),
            (f"a @ {WHEEL} {HASH} {OTHER}", "one file at a URL has one hash, found 2"),
            (f"a @ https://h.example/..%2fa-1.0.tar.gz {HASH}", "is not a safe file name"),
            ("a @ https://${SECRET}/a-1.0.tar.gz", "not a URL that a file can be fetched from"),
            ("https://[x/a.whl", "not a URL that a file can be fetched from"),
            ("ftp://h.example/a-1.0.tar.gz", "not a URL that a file can be fetched from"),
            ("https://u:SECRET@h.example/main.zip", "a URL that does not tell the project's name"),
            ("??? https://u:SECRET@h.example", r"'\?\?\? https://h\.example' is not a requirement"),
            ("-e git+https://h.example/r#egg=?", r"'\?' is not a project name"),
            ("<<<<<<< HEAD", "merge-conflict marker"),
        ],
    )
    def test_a_line_that_is_wrong_is_named(self, line: str, message: str) -> None:
        found = refused(f"# first\n{line}", line=2)
        assert "SECRET" not in found
        with pytest.raises(LockError, match=message):
            read(f"# first\n{line}")

    def test_a_project_pinned_twice_is_refused_with_both_lines(self) -> None:
        text = "a==1.0\n\nA==2.0"
        assert f"a is wanted as 2.0, and as 1.0 in {PATH}:1" in refused(text, line=3)
        url = f"a==1.0\na @ {WHEEL}"
        assert f"a is wanted as {WHEEL}, and as 1.0" in refused(url, line=2)

    def test_a_file_that_was_cut_short_within_a_requirement_is_refused(self) -> None:
        text = requirements_file(required("a"), required("b", hashes=[digest_of("b"), DIGEST]))
        start = text.index("b==1.0 \\")
        for end in range(start + len("b==1.0 \\"), text.index(DIGEST) + len(DIGEST)):
            if not text[:end].rstrip().endswith(digest_of("b")):
                refused(text[:end], line=text[:start].count("\n") + 1)

    def test_what_is_no_text_or_no_lock(self) -> None:
        assert "not UTF-8 text" in refused(b"a==1.0\n\xff\n", line=2)
        assert "the file is empty" in refused(b"\n \n", line=None)
        assert "web page" in refused(b"<!DOCTYPE html>", line=None)


WORDS = """a == 1.0 # -r -e -c --hash= sha256: ; [x] @ os_name 'nt' ( https:// git+ ./ ${X} --index-url
base.txt .whl - / é " %2f \\"""
PIECES = st.sampled_from([*WORDS.split(), DIGEST, " ", "\n", "\t", "\0", "\u2028"])


@settings(deadline=None, max_examples=300)
@given(st.lists(PIECES, max_size=30).map("".join), st.lists(PIECES, max_size=10).map("".join))
def test_pieces_in_any_order_are_read_or_refused_and_nothing_else(text: str, other: str) -> None:
    assert_read_or_refused(text, other)


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_is_read_or_refused_and_nothing_else(text: str, other: str) -> None:
    assert_read_or_refused(text, other)


def assert_read_or_refused(text: str, other: str) -> None:
    files_beside(LOCK, text.encode())
    refusal = None
    try:
        lock = read_lock(requirements(f"x==1.0\n{text}", {"base.txt": other}))
    except LockError as error:
        refusal = error
    if refusal is None:
        assert len({pin.key for pin in lock.pins}) == len(lock.pins) > 0
        assert all(is_sha256(digest) for pin in lock.pins for digest in pin.hashes)
    else:
        assert refusal.facts["lock"] in (PATH, "shop/base.txt")
        assert "\n" not in str(refusal)


PINNED = st.tuples(
    st.sampled_from(["a", "B.b", "c_c"]),
    st.sampled_from(["1.0", "2.0.post1", "1!3.0+cpu"]),
    st.sampled_from(["", 'os_name == "nt"', 'python_version < "3.11" or sys_platform == "win32"']),
    st.sampled_from([(), ("x",), ("x", "y-z")]),
    st.lists(st.sampled_from("xyz").map(digest_of), unique=True, max_size=3).map(tuple),
)
NO_SESSION: Any = None
"""pip asks for files at URLs through it, and there are none."""
FILES = st.lists(PINNED, unique_by=lambda pinned: (pinned[0], pinned[2]))


def as_pip_reads_them(path: Path) -> set[tuple[str, str, str, tuple[str, ...]]]:
    found: set[tuple[str, str, str, tuple[str, ...]]] = set()
    for parsed in parse_requirements(str(path), session=NO_SESSION):
        requirement = Requirement(parsed.requirement)
        (specifier,) = requirement.specifier
        hashes = (parsed.options or {}).get("hashes", {}).get("sha256", [])
        marker = str(requirement.marker or "")
        found.add((canonicalize_name(requirement.name), specifier.version, marker, tuple(hashes)))
    return found


@settings(deadline=None, max_examples=40)
@given(first=FILES, second=FILES)
def test_what_is_written_is_read_as_pip_reads_it(
    first: Sequence[tuple[str, str, str, tuple[str, ...], tuple[str, ...]]],
    second: Sequence[tuple[str, str, str, tuple[str, ...], tuple[str, ...]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    taken = {(canonicalize_name(name), marker) for name, _, marker, _, _ in first}
    second = [pinned for pinned in second if (canonicalize_name(pinned[0]), pinned[2]) not in taken]
    texts = [
        requirements_file(
            *(
                required(name, version, marker=marker, extras=extras, hashes=hashes)
                for name, version, marker, extras, hashes in pinned
            ),
            options=options,
        )
        for pinned, options in ((first, ["--pre", "-r base.txt"]), (second, []))
    ]
    folder = tmp_path_factory.mktemp("pip")
    for name, text in zip((LOCK, "base.txt"), texts, strict=True):
        (folder / name).write_text(text)
    lock = read(texts[0], {"base.txt": texts[1]})
    pins = {pin.key: pin for pin in lock.pins}
    pip = as_pip_reads_them(folder / LOCK)
    assert {
        (pins[edge.pin].name, str(pins[edge.pin].version), str(edge.marker or "")) for edge in lock.edges
    } == {parsed[:3] for parsed in pip}
    for pin in pins.values():
        assert set(pin.hashes) == {
            digest for name, version, _, hashes in pip for digest in hashes
            if (name, version) == (pin.name, str(pin.version))
        }  # fmt: skip
