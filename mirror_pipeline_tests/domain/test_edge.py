"""What goes into the function's code, and what is read back; ``test_edge_function`` runs the code itself."""

from __future__ import annotations

import re
from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror_pipeline.adapters.edge_function import template
from mirror_pipeline.domain.edge import (
    MOST_BYTES,
    Edge,
    function_name,
    has_gzip,
    is_made_from,
    parse,
    render,
)
from mirror_pipeline.errors import INPUT_IS_WRONG, EdgeTooBigError

TEMPLATE = template()
TOKENS = tuple(f"{number:064x}" for number in range(200))
CONFIG = 'var CONFIG = {"generation":null,"tokens":null};'

HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
EDGES = st.builds(
    Edge,
    st.none() | st.integers(0, 10**9),
    st.none() | st.sets(HASHES, max_size=40).map(lambda tokens: tuple(sorted(tokens))),
)
BUCKETS = st.text(ascii_lowercase + digits + "-.", min_size=3, max_size=63)


@given(EDGES)
def test_what_is_put_in_is_read_back(edge: Edge) -> None:
    code = render(TEMPLATE, edge)
    assert parse(code) == edge
    assert render(TEMPLATE, edge) == code
    assert render(code, Edge()) == TEMPLATE


@given(EDGES, EDGES)
def test_different_values_make_different_code(one: Edge, other: Edge) -> None:
    assert (render(TEMPLATE, one) == render(TEMPLATE, other)) is (one == other)


def test_the_template_is_the_code_of_nothing_published_and_everybody_let_in() -> None:
    assert parse(TEMPLATE) == Edge()
    assert CONFIG in TEMPLATE.splitlines()


@pytest.mark.parametrize(
    "code",
    [
        "",
        "function handler(event) { return event.request; }",
        CONFIG,
        f"{CONFIG}\n{TEMPLATE}",
        TEMPLATE.replace(CONFIG, ""),
        TEMPLATE.replace(CONFIG, f"{CONFIG}\n{CONFIG}"),
        TEMPLATE.replace(CONFIG, "var CONFIG = {};"),
        TEMPLATE.replace(CONFIG, "var CONFIG = [];"),
        TEMPLATE.replace(CONFIG, "var CONFIG = null;"),
        TEMPLATE.replace(CONFIG, "var CONFIG = {generation:1};"),
        *(
            TEMPLATE.replace(CONFIG, f"var CONFIG = {config};")
            for config in (
                '{"generation": 1, "tokens": null}',
                '{"generation":-1,"tokens":null}',
                '{"generation":1.0,"tokens":null}',
                '{"generation":true,"tokens":null}',
                '{"generation":"1","tokens":null}',
                '{"generation":1,"tokens":"abc"}',
                '{"generation":1,"tokens":[1]}',
                '{"generation":1,"tokens":["abc"]}',
                '{"generation":1,"tokens":null,"more":1}',
                '{"generation":1,"generation":2,"tokens":null}',
                f'{{"generation":1,"tokens":["{TOKENS[1]}","{TOKENS[0]}"]}}',
                f'{{"generation":1,"tokens":["{TOKENS[1]}","{TOKENS[1]}"]}}',
                f'{{"generation":1,"tokens":["{TOKENS[1].upper().replace("0", "A")}"]}}',
                '{"generation":' + "9" * 5000 + ',"tokens":null}',
                "[" * 100_000,
            )
        ),
    ],
    ids=lambda code: str(len(code)),
)
def test_other_code_is_not_read(code: str) -> None:
    assert parse(code) is None


@given(st.text())
def test_no_text_breaks_reading(text: str) -> None:
    assert parse(text) is None
    assert parse(TEMPLATE.replace(CONFIG, f"var CONFIG = {text};")) is None


def test_code_of_another_release_is_read() -> None:
    edge = Edge(7, TOKENS[:2])
    older = render(TEMPLATE, edge).replace("function handler(event) {", "function handler(event) { // older")
    assert parse(older) == edge
    assert is_made_from(TEMPLATE, render(TEMPLATE, edge))
    assert not is_made_from(TEMPLATE, older)
    assert not is_made_from(TEMPLATE, "function handler(event) { return event.request; }")


def test_code_that_a_release_has_outgrown_is_still_compared() -> None:
    code = render(TEMPLATE, Edge(7, TOKENS[:60]))
    assert not is_made_from(TEMPLATE + "/" * 5000, code)


@pytest.mark.parametrize(
    "tokens",
    [("abc",), (TOKENS[1], TOKENS[0]), (TOKENS[0], TOKENS[0]), ("A" * 64,), ('"' + "a" * 63,)],
)
def test_only_digests_in_order_become_code(tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        Edge(1, tokens)


@pytest.mark.parametrize("generation", [-1, True, 1.0, "1"])
def test_only_a_number_is_a_generation(generation: object) -> None:
    with pytest.raises(ValueError, match="generation"):
        Edge(generation)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", CONFIG, TEMPLATE.replace(CONFIG, ""), f"{TEMPLATE}\n{CONFIG}"])
def test_only_the_template_takes_a_value(text: str) -> None:
    with pytest.raises(ValueError, match="template"):
        render(text, Edge())


@pytest.mark.parametrize("generation", [None, 7, 123_456_789])
def test_the_error_says_how_many_tokens_fit(generation: int | None) -> None:
    with pytest.raises(EdgeTooBigError) as caught:
        render(TEMPLATE, Edge(generation, TOKENS))
    most = caught.value.facts["most"]
    assert isinstance(most, int)
    assert f"{most} tokens fit" in str(caught.value)
    assert caught.value.facts["size"] == len(TEMPLATE) + len(str(generation or "null")) - 4 + 67 * 200 - 3
    assert caught.value.exit_code == INPUT_IS_WRONG
    assert len(render(TEMPLATE, Edge(generation, TOKENS[:most])).encode()) <= MOST_BYTES
    with pytest.raises(EdgeTooBigError):
        render(TEMPLATE, Edge(generation, TOKENS[: most + 1]))
    assert most >= 60


def test_no_room_is_no_tokens() -> None:
    with pytest.raises(EdgeTooBigError, match="0 tokens fit"):
        render(TEMPLATE + "/" * 5000, Edge(1, ()))


@given(st.sets(BUCKETS, min_size=2, max_size=2))
def test_buckets_share_no_function(buckets: set[str]) -> None:
    names = {function_name(bucket) for bucket in buckets}
    assert len(names) == 2
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)


@pytest.mark.parametrize("end", ["a", "b", ".a", "-a"])
def test_a_long_bucket_name_still_tells_its_function(end: str) -> None:
    names = [function_name("x" * (63 - len(end)) + end), function_name("x" * 57), function_name("x" * 58)]
    assert len(set(names)) == 3
    assert max(map(len, names)) == 64


def test_a_function_is_named_after_its_bucket() -> None:
    assert function_name("wheels.example.org") == "mirror-wheels_example_org"


@pytest.mark.parametrize(
    ("key", "zipped"),
    [
        ("index.html", True),
        ("simple/index.html", True),
        ("simple/foo/index.v1_json", True),
        ("manifest.json", True),
        ("pylock/pylock.linux-x86_64.toml", True),
        ("requirements-all.txt", True),
        ("assets/style.css", True),
        ("assets/page.js", True),
        ("assets/logo.svg", True),
        ("assets/logo.png", False),
        ("assets/text.woff2", False),
        ("assets/js", False),
        ("assets/style.CSS", False),
        ("packages/foo-1.0-py3-none-any.whl", False),
        ("packages/foo-1.0-py3-none-any.whl.metadata", False),
        ("packages/foo.html", False),
    ],
)
def test_pages_have_a_variant_and_packages_have_none(key: str, zipped: bool) -> None:
    assert has_gzip(key) is zipped
