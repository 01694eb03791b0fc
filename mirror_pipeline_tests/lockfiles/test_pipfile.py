"""Pipfile.lock: sections, sources, sources outside the mirror, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Root, Selection, Source, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.locks import digest_of
from mirror_pipeline_tests.pipfile_locks import entry, pipfile_lock, pipfile_project

PATH = "shop/Pipfile.lock"
INDEX = "https://index.example/simple"
SECOND_INDEX = "https://second.example/simple"
SECOND = {"name": "second", "url": SECOND_INDEX, "verify_ssl": True}
WHEEL = "https://files.example/a-1.0-py3-none-any.whl"


def read(default: Mapping[str, object] | None = None, **more: Any) -> Lock:
    return read_lock(pipfile_project(pipfile_lock(default, **more)))


def only(default: Mapping[str, object], **more: Any) -> Pin:
    (pin,) = read(default, **more).pins
    return pin


def wanted(lock: Lock, selection: Selection, platform: str = "linux-x86_64", python: str = "3.12") -> str:
    target = Target(PLATFORMS[platform], Python.parse(python))
    return " ".join(sorted(pin.label for pin in pins_for_target(graph_of(lock), selection, target)))


def refused(text: str) -> LockError:
    with pytest.raises(LockError) as caught:
        read_lock(pipfile_project(text))
    error = caught.value
    assert error.facts["lock"] == PATH
    assert str(error).startswith(PATH)
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return error


class TestReading:
    def test_an_entry_is_a_pin_with_hashes_and_no_file_names(self) -> None:
        digests = (digest_of("one"), digest_of("two"))
        lock = read({"Demo_Lib": entry("==1.0+cpu", hashes=digests, extras=["x"])})
        (pin,) = lock.pins
        assert (pin.name, pin.label, pin.files, pin.hashes) == (
            "demo-lib",
            "demo-lib==1.0+cpu",
            (),
            digests,
        )
        assert (pin.source, pin.unhashed) == (Source(url=INDEX), False)
        assert (lock.project, lock.format, lock.format_version) == ("shop", "pipfile", "6")
        assert (lock.extras, lock.warnings) == ((), ())

    def test_sections_are_groups_and_default_is_the_projects_own(self) -> None:
        lock = read(
            {"a": entry()},
            develop={"b": entry()},
            Typing_dev={"c": entry()},
        )
        assert lock.groups == ("develop", "typing-dev")
        assert wanted(lock, Selection()) == "a==1.0"
        assert wanted(lock, Selection(groups=frozenset({"typing-dev"}))) == "a==1.0 c==1.0"
        assert wanted(lock, everything(lock)) == "a==1.0 b==1.0 c==1.0"

    def test_a_pin_of_several_sections_is_one_with_the_hashes_of_all(self) -> None:
        one, two = digest_of("one"), digest_of("two")
        lock = read({"a": entry(hashes=[one])}, develop={"a": entry("==1", hashes=[one, two])})
        (pin,) = lock.pins
        assert pin.hashes == (one, two)
        assert [edge.origin for edge in lock.edges] == [Root(), Root("group", "develop")]

    def test_sections_may_lock_different_versions(self) -> None:
        lock = read({"a": entry("==1.0")}, develop={"a": entry("==2.0")})
        assert [pin.key for pin in lock.pins] == ["a==1.0", "a==2.0"]
        assert wanted(lock, Selection()) == "a==1.0"

    @pytest.mark.parametrize(
        "condition",
        [{"markers": "sys_platform == 'win32'"}, {"sys_platform": "== 'win32'"}],
    )
    def test_a_marker_and_its_older_spelling(self, condition: Mapping[str, str]) -> None:
        lock = read({"a": entry(**condition), "b": entry()})
        assert wanted(lock, Selection()) == "b==1.0"
        assert wanted(lock, Selection(), "windows-amd64") == "a==1.0 b==1.0"

    def test_conditions_of_both_spellings_hold_together(self) -> None:
        more = {"markers": "python_version < '3.12' or python_version > '3.13'", "os_name": "== 'nt'"}
        lock = read({"a": entry(**more)})
        assert wanted(lock, Selection(), "windows-amd64", "3.11") == "a==1.0"
        assert wanted(lock, Selection(), "windows-amd64", "3.12") == ""
        assert wanted(lock, Selection(), "linux-x86_64", "3.11") == ""

    @pytest.mark.parametrize(
        ("requires", "specifier"),
        [
            ({}, ""),
            ({"python_version": "3.11"}, "==3.11.*"),
            ({"python_version": "3.11", "python_full_version": "3.11.4"}, "==3.11.*"),
            ({"python_version": "3"}, "==3.*"),
            ({"python_version": "*"}, ""),
            ({"python_version": ">=3.9"}, ">=3.9"),
        ],
    )
    def test_the_python_that_is_required(self, requires: Mapping[str, str], specifier: str) -> None:
        assert read({"a": entry()}, requires=requires).requires_python == specifier

    def test_an_entry_without_hashes_is_told_as_such(self) -> None:
        pins = read({"a": {"version": "==1.0"}, "b": entry(hashes=[])}).pins
        assert [pin.unhashed for pin in pins] == [True, True]

    def test_other_algorithms_are_left_out(self) -> None:
        digest = digest_of("one")
        pin = only({"a": {"version": "==1.0", "hashes": ["md5:" + "0" * 32, f"sha256:{digest.upper()}"]}})
        assert pin.hashes == (digest,)

    def test_a_lock_without_packages(self) -> None:
        lock = read()
        assert (lock.pins, lock.edges, lock.groups) == ((), (), ("develop",))

    def test_windows_line_ends_and_a_byte_order_mark(self) -> None:
        text = pipfile_lock({"a": entry()})
        other = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
        assert read_lock(pipfile_project(other)) == read_lock(pipfile_project(text))


class TestSources:
    def test_without_an_index_the_first_source_counts_and_the_others_may_be_looked_at(self) -> None:
        sources = ({"name": "main", "url": INDEX}, SECOND)
        assert only({"a": entry()}, sources=sources).source == Source(url=INDEX, also=(SECOND_INDEX,))

    @pytest.mark.parametrize("index", ["second", SECOND_INDEX])
    def test_a_named_index_is_the_only_one(self, index: str) -> None:
        sources = ({"name": "main", "url": INDEX}, SECOND)
        assert only({"a": entry(index=index)}, sources=sources).source == Source(url=SECOND_INDEX)

    def test_a_source_without_a_name_has_that_of_its_host(self) -> None:
        sources = ({"name": "main", "url": INDEX}, {"url": SECOND_INDEX})
        assert only({"a": entry(index="second.example")}, sources=sources).source == Source(url=SECOND_INDEX)

    def test_a_release_from_two_sources_is_two_pins(self) -> None:
        lock = read({"a": entry()}, develop={"a": entry(index="second")}, sources=({"url": INDEX}, SECOND))
        assert {pin.key: pin.source.url for pin in lock.pins} == {
            "a==1.0": INDEX,
            "a==1.0 #2": SECOND_INDEX,
        }

    def test_the_first_source_by_name_and_without_is_one(self) -> None:
        sources = ({"name": "main", "url": INDEX}, SECOND)
        pin = only({"a": entry(index="main")}, develop={"a": entry()}, sources=sources)
        assert pin.source == Source(url=INDEX, also=(SECOND_INDEX,))

    def test_without_sources_the_configured_index_counts(self) -> None:
        assert only({"a": entry()}, sources=()).source == Source()

    @pytest.mark.parametrize("user", ["${USER}:${PASSWORD}", "$TOKEN"])
    def test_credentials_from_the_environment_are_left_to_netrc(self, user: str) -> None:
        lock = read({"a": entry()}, sources=({"name": "x", "url": f"https://{user}@index.example/simple"},))
        assert (lock.pins[0].source, lock.warnings) == (Source(url=INDEX), ())

    def test_an_index_that_only_its_user_knows_is_left_out_with_a_warning(self) -> None:
        lock = read({"a": entry()}, sources=({"name": "x", "url": "https://${SECRET_HOST}/simple"}, SECOND))
        assert lock.pins[0].source == Source(url=None, also=(SECOND_INDEX,))
        (warning,) = lock.warnings
        assert warning.startswith(f"{PATH}: _meta.sources[0].url is left out")
        assert "SECRET" not in warning

    @pytest.mark.parametrize(
        ("more", "kind", "url"),
        [
            (
                {"git": "https://user:pass@git.example/a.git", "ref": "0" * 40},
                "git",
                "https://git.example/a.git",
            ),
            ({"git": "https://git.example/a.git", "editable": True}, "git", "https://git.example/a.git"),
            ({"hg": "https://hg.example/a"}, "git", "https://hg.example/a"),
            ({"path": ".", "editable": True}, "editable", "."),
            ({"path": "./libs/a"}, "directory", "./libs/a"),
            ({"path": "./a-1.0-py3-none-any.whl"}, "path", "./a-1.0-py3-none-any.whl"),
            ({"file": "file:///srv/a-1.0.tar.gz"}, "path", "file:///srv/a-1.0.tar.gz"),
        ],
    )
    def test_sources_outside_the_mirror(self, more: Mapping[str, object], kind: str, url: str) -> None:
        pin = only({"a": more})
        assert (pin.source.kind, pin.source.url, pin.label) == (kind, url, "a==0")
        assert (pin.source.mirrored, pin.unhashed) == (False, False)

    @pytest.mark.parametrize(
        "more",
        [
            {"file": WHEEL, "hashes": [f"sha256:{digest_of('a')}"]},
            {"file": WHEEL, "version": "==1.0", "hashes": [f"sha256:{digest_of('a')}"]},
            {"path": f"{WHEEL}#sha256={digest_of('a')}"},
        ],
    )
    def test_a_wheel_at_a_url_has_its_name_and_its_hash(self, more: Mapping[str, object]) -> None:
        pin = only({"a": more})
        assert (pin.label, pin.source, pin.hashes) == ("a==1.0", Source("url", WHEEL), ())
        assert pin.files == (LockedFile("a-1.0-py3-none-any.whl", digest_of("a")),)

    @pytest.mark.parametrize("sources", [({"name": "main", "url": INDEX}, SECOND), ({"url": INDEX},)])
    def test_a_file_at_a_url_with_the_hashes_of_its_whole_release_is_looked_for_in_the_index(
        self, sources: Sequence[Mapping[str, object]]
    ) -> None:
        digests = (digest_of("wheel"), digest_of("sdist"))
        lock = read(
            {"a": {"file": WHEEL, "hashes": [f"sha256:{digest}" for digest in digests]}}, sources=sources
        )
        (pin,) = lock.pins
        assert (pin.label, pin.hashes, pin.files, pin.unhashed) == ("a==1.0", digests, (), False)
        assert pin.source == only({"a": entry()}, sources=sources).source

    def test_a_wheel_at_a_url_without_a_hash_is_told_as_such(self) -> None:
        pin = only({"a": {"file": WHEEL}})
        assert (pin.files, pin.unhashed) == ((), True)


class TestRefusing:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"version": "*", "hashes": []}, r"default\.a\.version: expected one version \(==1\.0\), found"),
            ({"version": ">=1.0"}, "expected one version"),
            ({"version": "==1.0.*"}, "expected one version"),
            ({"version": "==" + "9" * 5000}, "expected one version"),
            ({"version": 1}, "expected text, found a int"),
            ({"hashes": []}, "version: missing: there is nothing to install"),
            ({"version": "==1.0", "hashes": "x"}, "expected a list"),
            ({"version": "==1.0", "hashes": ["sha256:00"]}, "cut short"),
            ({"version": "==1.0", "hashes": ["00"]}, "cut short"),
            ({"version": "==1.0", "hashes": ["md5:" + "0" * 32]}, "only md5, expected sha256"),
            ({"version": "==1.0", "markers": "python_version <"}, "not an environment marker"),
            ({"version": "==1.0", "markers": 3}, "expected text"),
            ({"version": "==1.0", "os_name": f"== '{'9' * 5000}'"}, "too long to be an environment marker"),
            ({"version": "==1.0", "index": "nowhere"}, r"'nowhere' is not among the sources .*\(main, index"),
            ({"file": "https://${HOST}/a-1.0.tar.gz"}, "not a URL that a file can be fetched from"),
            ({"file": "https://h.example/..%2fa-1.0.tar.gz", "hashes": []}, "not a safe file name"),
            (
                {"file": "https://files.example/a.zip", "hashes": [f"sha256:{digest_of(x)}" for x in "ab"]},
                "a.zip: one file at a URL has one hash, found 2",
            ),
            ({"git": 3}, "expected text"),
            ([], "expected a table"),
        ],
    )  # fmt: skip
    def test_an_entry_that_is_wrong_is_named(self, wrong: object, message: str) -> None:
        error = refused(pipfile_lock({"a": wrong}))
        assert "default.a" in str(error)
        with pytest.raises(LockError, match=message):
            raise error

    @pytest.mark.parametrize(
        ("meta", "message"),
        [
            ({"pipfile-spec": 7}, r"_meta\.pipfile-spec: 7 is not known here"),
            ({"pipfile-spec": "6"}, "expected a whole number"),
            ({"pipfile-spec": None}, "pipfile-spec: missing"),
            ({"sources": [{"name": "x"}]}, r"_meta\.sources\[0\]\.url: missing"),
            ({"sources": {}}, "expected a list"),
            ({"requires": {"python_version": "three"}}, "not a version of Python"),
            ({"requires": {"python_version": "9" * 5000}}, "not a version of Python"),
            ({"requires": []}, "expected a table"),
        ],
    )
    def test_metadata_that_is_wrong(self, meta: Mapping[str, object], message: str) -> None:
        with pytest.raises(LockError, match=message):
            raise refused(pipfile_lock({"a": entry()}, meta=meta))

    def test_a_project_twice_in_one_section(self) -> None:
        error = refused(pipfile_lock({"a-b": entry("==1.0"), "A_B": entry("==2.0")}))
        assert "a-b is locked twice, as 1.0 and as 2.0" in str(error)

    @pytest.mark.parametrize("text", ["{}", '{"default": {"a": {"version": "==1.0"}}}', '{"_meta": 1}'])
    def test_json_that_is_no_lock(self, text: str) -> None:
        assert "not a lock of a format that is read here" in str(refused(text))

    @pytest.mark.parametrize("section", ["default", "develop", "docs"])
    def test_a_section_that_is_no_table(self, section: str) -> None:
        document = {**json.loads(pipfile_lock()), section: ["a"]}
        assert f"{section}: expected a table, found a list" in str(refused(json.dumps(document)))

    def test_a_section_or_a_project_without_a_name(self) -> None:
        strange: dict[str, Any] = {"?": {"a": entry()}}
        assert "is not a name" in str(refused(pipfile_lock({"?": entry()})))
        assert "is not a name" in str(refused(pipfile_lock(**strange)))

    def test_a_file_that_was_cut_short(self) -> None:
        text = pipfile_lock({"a": entry(), "b": entry()})
        for end in range(1, len(text) - 1, 7):
            refused(text[:end])

    def test_a_conflict_and_a_doubled_key(self) -> None:
        text = pipfile_lock({"a": entry()})
        marked = text.replace('    "default"', '<<<<<<< HEAD\n    "default"')
        assert "merge-conflict marker" in str(refused(marked))
        assert "given twice" in str(refused(text.replace('"develop"', '"default"')))


KEYS = (
    "version hashes markers index file path git editable a url name os_name pipfile-spec sources requires "
    "python_version"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("==1.0"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(meta=st.dictionaries(st.sampled_from(["pipfile-spec", "sources", "requires"]), JSON), sections=JSON)
def test_absurd_documents_are_read_or_refused_and_nothing_else(meta: Any, sections: Any) -> None:
    document = {"_meta": {"pipfile-spec": 6, **meta}, "default": {"a": entry()}}
    document.update(sections if isinstance(sections, dict) else {"develop": sections})
    refusal = None
    try:
        lock = read_lock(pipfile_project(json.dumps(document)))
    except LockError as error:
        refusal = error
    if refusal is None:
        assert len({pin.key for pin in lock.pins}) == len(lock.pins)
        assert all(is_sha256(digest) for pin in lock.pins for digest in pin.hashes)
    else:
        assert refusal.facts["lock"] == PATH


NAMES = st.sampled_from(["a", "b", "c-d"])
ENTRIES = st.dictionaries(
    NAMES,
    st.tuples(
        st.sampled_from(["1.0", "2.0.post1"]),
        st.sampled_from(["", 'os_name == "nt"']),
        st.sets(st.sampled_from("xyz").map(digest_of), min_size=1),
    ),
)


@settings(deadline=None, max_examples=50)
@given(default=ENTRIES, develop=ENTRIES)
def test_what_is_written_is_read_back(default: Any, develop: Any) -> None:
    sections = {Root(): default, Root("group", "develop"): develop}
    written = [
        {
            name: entry(f"=={version}", hashes=sorted(hashes), **({"markers": marker} if marker else {}))
            for name, (version, marker, hashes) in section.items()
        }
        for section in sections.values()
    ]
    lock = read_lock(pipfile_project(pipfile_lock(*written)))
    pins = {pin.key: pin for pin in lock.pins}
    found = {(edge.origin, pins[edge.pin].label, str(edge.marker or "")) for edge in lock.edges}
    assert found == {
        (root, f"{name}=={version}", marker)
        for root, section in sections.items()
        for name, (version, marker, _) in section.items()
    }
    for label, pin in pins.items():
        assert set(pin.hashes) == {
            digest
            for section in sections.values()
            for name, (version, _, hashes) in section.items()
            if f"{name}=={version}" == label
            for digest in hashes
        }


def test_what_pipenv_did_not_lock_for_another_machine_is_told_and_left_out() -> None:
    lock = read({"a": entry(), "winonly": {"version": "*"}})
    assert [pin.name for pin in lock.pins] == ["a"]
    assert len(lock.warnings) == 1
    assert "default.winonly has no version and is left out" in lock.warnings[0]
