"""The books of a bucket: to bytes and back, refused when damaged, and true at every step of a publication."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.generations import Generation, Hold
from mirror_pipeline.domain.ledger import LEDGER, Ledger, Writer, objects_document, objects_read, parse_ledger
from mirror_pipeline.domain.objects import Stored
from mirror_pipeline.errors import DocumentError

NOW, LATER = "2026-11-20T00:00:00+00:00", "2026-12-20T00:00:00+00:00"
HOLD = Hold(1, "r2", "it broke", "ann@example", NOW)

words = st.text(max_size=6)
times = st.just("") | st.datetimes(timezones=st.just(timezone.utc)).map(datetime.isoformat)
keys = st.text(max_size=12)
stored = st.builds(Stored, words, st.integers(0, 10**12), words)
objects = st.dictionaries(keys, stored, max_size=4)
holds = st.builds(Hold, st.integers(1, 9), words, words, words, words)
writers = st.builds(
    Writer, words, words, st.integers(0, 2**22), st.floats(allow_nan=False, allow_infinity=False)
)


def generation(number: int, made: str = NOW, **more: str) -> Generation:
    return Generation(number, made, "ann@example", f"m{number}", f"r{number}", f"l{number}", 1, 2, 3, **more)


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    """Books as the steps leave them: what is live is known, and numbers are given once."""
    numbers = draw(st.lists(st.integers(1, 50), unique=True, max_size=4))
    one = st.one_of(st.none(), st.sampled_from(numbers)) if numbers else st.none()
    return Ledger(
        next=max(numbers, default=0) + draw(st.integers(1, 9)),
        live=draw(one),
        switching=draw(one),
        generations=tuple(
            replace(generation(number), left=draw(times), removed=draw(times)) for number in numbers
        ),
        packages=draw(objects),
        placed=draw(objects),
        folders=draw(st.sampled_from([None, True, False])),
        unsettled=tuple(draw(st.lists(keys, max_size=3))),
        hold=draw(st.one_of(st.none(), holds)),
        writer=draw(st.one_of(st.none(), writers)),
    )


@settings(deadline=None)
@given(ledgers())
def test_books_come_back_as_they_were(ledger: Ledger) -> None:
    content = ledger.to_bytes()
    again = parse_ledger(content)
    assert again == ledger
    assert again.to_bytes() == content


@settings(deadline=None)
@given(objects)
def test_the_order_of_keys_leaves_no_trace(some: dict[str, Stored]) -> None:
    turned = dict(reversed(list(some.items())))
    assert Ledger(packages=some, placed=turned).to_bytes() == Ledger(packages=turned, placed=some).to_bytes()
    assert objects_read(objects_document(some)) == some


def test_books_of_thousands_of_packages_stay_small() -> None:
    packages = {
        f"packages/some_package-1.{n}-py3-none-any.whl": Stored("a" * 64, n, "b" * 32) for n in range(5000)
    }
    assert len(Ledger(packages=packages).to_bytes()) < 200 * 5000


@settings(deadline=None)
@given(ledgers(), st.data())
def test_half_of_it_is_refused(ledger: Ledger, data: st.DataObject) -> None:
    content = ledger.to_bytes()
    half = content[: data.draw(st.integers(0, len(content) - 2))]
    with pytest.raises(DocumentError, match="books are damaged") as caught:
        parse_ledger(half)
    assert caught.value.facts == {"document": LEDGER}
    assert "earlier version" in caught.value.hint
    assert "\n" not in str(caught.value)


LEAF = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.text(max_size=3))
JSON = st.recursive(
    LEAF, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=3), some, max_size=3)
)


@settings(deadline=None, max_examples=300)
@given(ledgers(), st.data())
def test_what_the_steps_never_say_is_refused(ledger: Ledger, data: st.DataObject) -> None:
    """Whatever stands in the place of a value: either these are sound books, or an error names them."""
    document = json.loads(ledger.to_bytes())
    field_ = data.draw(st.sampled_from(sorted(document.keys() - {"version"})))
    document[field_] = data.draw(JSON)
    read, refusal = Ledger(), None
    try:
        read = parse_ledger(json.dumps(document).encode(), "s3://bucket/books")
    except DocumentError as error:
        refusal = error
    numbers = [one.number for one in read.generations]
    assert read.next > max(numbers, default=0)
    assert set(read.shown) <= set(numbers)
    if refusal:
        assert refusal.facts == {"document": "s3://bucket/books"}
        assert str(refusal).startswith("s3://bucket/books: ")


@pytest.mark.parametrize(
    "change",
    [
        {"next": 2},
        {"next": "9"},
        {"next": 9.5},
        {"next": True},
        {"live": 7},
        {"live": "1"},
        {"switching": 7},
        {"switching": [1]},
        {"generations": None},
        {"generations": [{}]},
        {"packages": []},
        {"packages": {"a": ["b", "c"]}},
        {"packages": {"a": ["b", "12", "c"]}},
        {"placed": {"a": 5}},
        {"unsettled": [1]},
        {"hold": {"generation": 1}},
        {"writer": "ann"},
    ],
)
def test_damage_that_is_json_is_refused(change: Mapping[str, object]) -> None:
    sound = Ledger(next=3, live=1, generations=(generation(1), generation(2)))
    document = {**json.loads(sound.to_bytes()), **change}
    with pytest.raises(DocumentError, match="books are damaged"):
        parse_ledger(json.dumps(document).encode())


def test_a_number_given_twice_is_refused() -> None:
    twice = Ledger(next=3, generations=(generation(1), generation(1)))
    with pytest.raises(DocumentError, match="given twice"):
        parse_ledger(twice.to_bytes())


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"<html></html>", b"[" * 100_000]
)
def test_what_are_no_books_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentError, match="books are damaged"):
        parse_ledger(content)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_refused(version: object) -> None:
    content = Ledger().to_bytes().replace(b'"version":1', f'"version":{json.dumps(version)}'.encode())
    with pytest.raises(DocumentError, match=r"version .* is not known here") as caught:
        parse_ledger(content)
    assert "newer" in caught.value.hint


class TestNumbers:
    @settings(deadline=None)
    @given(ledgers(), st.integers(0, 9))
    def test_only_grow(self, ledger: Ledger, more: int) -> None:
        taken = ledger.reserved(ledger.next + more)
        assert taken.next == ledger.next + more + 1
        assert replace(taken, next=ledger.next) == ledger

    @settings(deadline=None)
    @given(ledgers())
    def test_are_given_once(self, ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="was there before"):
            ledger.reserved(ledger.next - 1)

    @settings(deadline=None)
    @given(ledgers(), objects)
    def test_no_other_step_changes_them(self, ledger: Ledger, some: dict[str, Stored]) -> None:
        after = (
            ledger.committed(generation(ledger.next), some).arrived().retired([1], some, NOW).removed(some)
        )
        assert after.next == ledger.next


class TestCommitted:
    before = Ledger(
        next=3, live=1, generations=(generation(1),), unsettled=("packages/a", "packages/b"), hold=HOLD
    )
    after = before.committed(generation(2, LATER), {"packages/a": Stored("x", 1, "e")})

    def test_the_generation_exists_and_the_pointer_goes_there(self) -> None:
        assert self.after.generation(2) == generation(2, LATER)
        assert (self.after.live, self.after.switching, self.after.shown) == (1, 2, (1, 2))
        assert self.after.status.pending

    def test_what_was_live_is_left_from_now_on(self) -> None:
        assert self.after.generation(1) == generation(1, left=LATER)

    def test_a_rollback_ends(self) -> None:
        assert self.before.status.hold == HOLD
        assert self.after.status.hold is None

    def test_its_packages_are_settled(self) -> None:
        assert self.after.packages == {"packages/a": Stored("x", 1, "e")}
        assert self.after.unsettled == ("packages/b",)


class TestTowards:
    books = Ledger(next=9, live=5, generations=tuple(map(generation, (1, 5, 6))))

    def test_what_is_live_is_left(self) -> None:
        after = self.books.towards(1, LATER)
        assert [one.left for one in after.generations] == ["", LATER, ""]
        assert after.status.live == 5

    def test_what_was_being_switched_to_may_have_been_shown_and_is_left_too(self) -> None:
        after = self.books.towards(1, NOW).towards(6, LATER)
        assert [one.left for one in after.generations] == [LATER, LATER, ""]

    def test_going_on_with_the_same_leaves_it_live(self) -> None:
        once = self.books.towards(1, NOW)
        assert once.towards(1, LATER).generation(1) == once.generation(1)
        assert self.books.towards(5, NOW).generations == self.books.generations

    def test_the_first_one_leaves_nothing(self) -> None:
        first = Ledger(next=2, generations=(generation(1),)).towards(1, NOW)
        assert first.generations == (generation(1),)
        assert first.shown == (1,)

    def test_arriving_ends_it(self) -> None:
        after = self.books.towards(1, NOW).arrived()
        assert (after.live, after.switching, after.shown) == (1, None, (1,))
        assert not after.status.pending
        assert after.status.digest == "m1"


class TestInPlace:
    page, other = Stored("p", 1, "p"), Stored("o", 1, "o")
    books = Ledger(
        next=3,
        live=1,
        switching=2,
        generations=tuple(map(generation, (1, 2))),
        placed={"a": page, "b": page, "c": page},
        unsettled=("x",),
    )

    def test_what_is_about_to_be_written_or_removed_is_not_known(self) -> None:
        after = self.books.without_placed({"a", "new"}, ["b"])
        assert after.placed == {"c": self.page}
        assert after.unsettled == ("a", "b", "new", "x")

    def test_what_arrived_is(self) -> None:
        after = self.books.without_placed({"a", "new"}, ["b"]).arrived(
            {"a": self.other, "new": self.page}, ["b"]
        )
        assert after.placed == {"a": self.other, "c": self.page, "new": self.page}
        assert after.unsettled == ("x",)
        assert after.status.unsettled

    def test_what_did_not_arrive_stays_unsettled(self) -> None:
        after = self.books.without_placed({"a", "new"}, ["b"]).arrived({"a": self.other}, [])
        assert after.unsettled == ("b", "new", "x")


class TestRemoval:
    books = Ledger(
        next=3,
        live=2,
        generations=(generation(1, left=NOW), generation(2)),
        packages={"packages/a": Stored("a", 1, "a"), "packages/b": Stored("b", 1, "b")},
    )

    def test_first_the_books_forget(self) -> None:
        after = self.books.retired((1,), ["packages/a", "g/1/index.html"], LATER)
        assert after.generation(1) == generation(1, left=NOW, removed=LATER)
        assert after.generation(2) == generation(2)
        assert list(after.packages) == ["packages/b"]
        assert after.unsettled == ("g/1/index.html", "packages/a")

    def test_then_it_is_over(self) -> None:
        after = self.books.retired((1,), ["packages/a"], LATER).removed(["packages/a"])
        assert after.unsettled == ()
        assert not after.status.unsettled
        assert not after.removed(["packages/b"]).unsettled


class KilledError(Exception):
    """The publisher is gone."""


@dataclass
class Bucket:
    """What is really there, a publisher that keeps the books of it, and how many writes it has left."""

    objects: dict[str, str] = field(default_factory=dict)
    books: Ledger = field(default_factory=Ledger)
    breath: int = 0

    def _breathe(self) -> None:
        if self.breath == 0:
            raise KilledError
        self.breath -= 1

    def write(self, key: str, content: str) -> None:
        self._breathe()
        self.objects[key] = content

    def enter(self, ledger: Ledger) -> None:
        self._breathe()
        self.books = parse_ledger(ledger.to_bytes())

    def publish(self, content: str, packages: set[str], pages: set[str]) -> None:
        number = self.books.next
        self.enter(self.books.reserved(number))
        wanted = {f"packages/{name}": name for name in packages}
        unknown = {key: name for key, name in wanted.items() if key not in self.books.packages}
        for key, name in unknown.items():
            self.write(key, name)
        placed = {page: f"{page} {content}" for page in pages}
        changed = {key for key, text in placed.items() if self.books.placed.get(key) != of(text)}
        gone = {key for key in self.books.placed if key not in pages}
        record = replace(generation(number), manifest=content)
        entered = {key: of(name) for key, name in unknown.items()}
        self.enter(self.books.without_placed(changed, gone).committed(record, entered))
        for key in changed:
            self.write(key, placed[key])
        rest = {key for key in self.books.unsettled if key not in pages and not key.startswith("packages/")}
        for key in rest:
            self._breathe()
            self.objects.pop(key, None)
        self.enter(self.books.arrived({key: of(placed[key]) for key in changed}, rest))

    def collect(self, names: set[str]) -> None:
        going = {f"packages/{name}" for name in names}
        self.enter(self.books.retired((), going, NOW))
        for key in going:
            self._breathe()
            self.objects.pop(key, None)
        self.enter(self.books.removed(going))


def of(content: str) -> Stored:
    return Stored(content, len(content), content)


names = st.sets(st.sampled_from("abc"), max_size=3)
publications = st.tuples(st.just("publish"), st.sampled_from(["one", "two"]), names, names)
removals = st.tuples(st.just("collect"), names)
lives = st.lists(st.tuples(st.one_of(publications, removals), st.integers(0, 25)), max_size=8)


@settings(deadline=None, max_examples=300)
@given(lives)
def test_books_never_claim_what_is_not_there(steps: list[tuple[tuple[object, ...], int]]) -> None:
    """Whatever is published and removed, and however often a publisher dies in the middle of it."""
    bucket = Bucket()
    for (act, *arguments), breath in steps:
        before, bucket.breath = bucket.books, breath
        with suppress(KilledError):
            getattr(bucket, str(act))(*arguments)
        claimed = {**bucket.books.packages, **bucket.books.placed}
        assert {key: stored.sha256 for key, stored in claimed.items()}.items() <= bucket.objects.items()
        assert claimed.keys().isdisjoint(bucket.books.unsettled)
        assert bucket.objects.keys() - claimed.keys() <= {
            *bucket.books.unsettled,
            *(key for key in bucket.objects if key.startswith("packages/")),  # sent, and not entered yet
        }
        assert bucket.books.next >= before.next
        numbers = [one.number for one in bucket.books.generations]
        assert numbers == sorted(set(numbers))
        assert all(one.left for one in bucket.books.generations if one.number not in bucket.books.shown)


@pytest.mark.parametrize("left", ["yesterday", "2026-11-20T00:00:00"])
def test_a_time_that_is_none_is_refused(left: str) -> None:
    books = Ledger(next=2, live=1, generations=(generation(1, left=left),))
    with pytest.raises(DocumentError, match="damaged"):
        parse_ledger(books.to_bytes())
