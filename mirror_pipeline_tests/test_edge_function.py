"""The function at the edge, in the two engines that stand for CloudFront's: its table is that of ``serving``.

njs (``TEST_NJS``) refuses what CloudFront refuses; node (``TEST_NODE``) is strict where that is lax. Every
request of a test goes through one process per engine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.adapters.edge_function import template
from mirror_pipeline.domain.edge import MOST_BYTES, Edge, has_gzip, render
from mirror_pipeline.domain.serving import File, Redirect, route
from mirror_pipeline_tests.aws_servers import program
from mirror_pipeline_tests.domain.test_serving import (
    ACCEPTS,
    BROWSER,
    CASES,
    FRAGMENTS,
    MISSING,
    MOVED,
    OK,
    PATHS,
    PIP,
    UNSENDABLE,
    UV,
    Case,
)

Json = dict[str, Any]
Answer = tuple[int, str]
"""Status and what comes with it: the URI that goes on to the bucket (status 200), or the location."""
Run = Callable[..., list[Json]]

NUMBER = 7
LIVE = Edge(NUMBER)
GZIP = "gzip, deflate"
ENGINES = {"njs": ("TEST_NJS", ""), "node": ("TEST_NODE", '"use strict";\n')}
DRIVER = """
var events = JSON.parse(require('fs').readFileSync(%s, 'utf8'));
require('fs').writeFileSync(%s, JSON.stringify(events.map(function (event) {
  try {
    return handler(event);
  } catch (error) {
    return {thrown: String(error)};
  }
})));
"""

LOGIN, OTHER_LOGIN = "team-a:s3cret:with:colons", "ci:t\u00f6ken"


def digest_of(login: str) -> str:
    return hashlib.sha256(login.encode()).hexdigest()


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


CLOSED = Edge(NUMBER, tuple(sorted(map(digest_of, (LOGIN, OTHER_LOGIN)))))


@pytest.fixture(scope="module", params=sorted(ENGINES))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Answers of one engine to some requests."""
    variable, head = ENGINES[request.param]
    command = program(variable, request.param)
    folder = tmp_path_factory.mktemp(request.param)

    def run(requests: Iterable[Json], edge: Edge = LIVE) -> list[Json]:
        events, script, output = (folder / name for name in ("events.json", "script.js", "answers.json"))
        events.write_text(json.dumps([{"request": request} for request in requests]))
        paths = (json.dumps(str(events)), json.dumps(str(output)))
        script.write_text(head + render(template(), edge) + DRIVER % paths)
        done = subprocess.run([command, str(script)], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        answers: list[Json] = json.loads(output.read_text())
        assert not [answer for answer in answers if "thrown" in answer]
        return answers

    return run


def asked(path: str, method: str = "GET", **headers: str | Sequence[str] | None) -> Json:
    """A request as CloudFront tells it: what is behind the first ``?`` apart, repeated headers as a list."""
    uri, _, query = path.partition("?")
    return {
        "method": method,
        "uri": uri,
        "querystring": {"x": {"value": query}} if query else {},
        "headers": {
            "host": {"value": "wheels.example.org"},
            **{name.replace("_", "-"): header(value) for name, value in headers.items() if value is not None},
        },
        "cookies": {},
    }


def header(value: str | Sequence[str]) -> Json:
    if isinstance(value, str):
        return {"value": value}
    return {"value": value[0], "multiValue": [{"value": one} for one in value]}


def answered(answer: Json) -> Answer:
    if "statusCode" not in answer:
        assert answer["querystring"] == {}
        return OK, answer["uri"]
    return answer["statusCode"], answer["headers"].get("location", {}).get("value", "")


def at(key: str, *, zipped: bool = False) -> str:
    """The address of a key in the bucket, everything encoded that is not unreserved (RFC 3986)."""
    folder = "/" if key.startswith("packages/") else f"/g/{NUMBER}/"
    return folder + quote(key, safe="/") + (".gz" if zipped else "")


def expected(path: str, accept: str | None) -> Answer:
    """What ``serving`` says, which here has to do without looking keys up."""
    outcome = route(path, accept, lambda _: True)
    if isinstance(outcome, File):
        return OK, at(outcome.key)
    return (MOVED, outcome.location) if isinstance(outcome, Redirect) else (MISSING, "")


def judged(case: Case) -> Answer:
    if case.status == MISSING:
        return (OK, at(case.result)) if case.result else (MISSING, "")
    return case.status, at(case.result) if case.status == OK else case.result


def test_the_table(run: Run) -> None:
    answers = run(asked(case.path, accept=case.accept) for case in CASES)
    for case, answer in zip(CASES, answers, strict=True):
        assert answered(answer) == judged(case) == expected(case.path, case.accept), case


def test_a_text_that_is_no_request_path_is_not_found(run: Run) -> None:
    assert {answered(answer) for answer in run(map(asked, UNSENDABLE))} == {(MISSING, "")}


def test_what_is_not_ascii_is_refused_or_passed_over(run: Run) -> None:
    """njs never came back from replacing in a part of such a path, and failed on others."""
    fullwidth, snakes = "\uff0eFoo.Bar-foo-barindex.v1_json%0a", "\U0001f40d" * 99
    strange = (fullwidth, snakes, "%0a" * 20 + "\u00e9", "\u00e9" * 40 + "%41")
    paths = [folder + name for folder in ("/", "/simple/", "/packages/", "/assets/a/") for name in strange]
    assert {answered(answer) for answer in run(map(asked, paths))} == {(MISSING, "")}
    accepts = [f"{name}, {PIP};{name};q=1, {name};q={name}" for name in strange]
    answers = run(asked("/simple/foo/", accept=accept, accept_encoding=accept) for accept in accepts)
    assert {answered(answer)[1] for answer in answers} == {at("simple/foo/index.v1_json")}


MEDIA = (
    *("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json", "application/json"),
    *("application/vnd.pypi.simple.v1+html", "text/html", "*/*", "text/*", "application/*", "TEXT/HTML"),
    *(";", ",", "=", "q", "Q", ";q=", ";q=0", ";q=1", ";q=0.5", "; q = 0.50 ", ";q=0.", ";q=1.000"),
    *(";q=1.001", ";q=0.1234", ";v=1", " ", "\t", "\n", "\x0b", "\x1c", "\x85", "\xa0", "\ufeff", "\u2028"),
    *("\u212a", "applicat\u0130on/vnd.pypi.simple.v1+json", "\u0130", "\u017f", '"', PIP, UV, BROWSER),
)
ACCEPT_TEXTS = ACCEPTS | st.lists(st.sampled_from(MEDIA), max_size=9).map("".join)
MORE_FRAGMENTS = (
    *FRAGMENTS,
    *("%", "%0A", "%0d", "%67", "g", "/g/7/", ".mirror", ".gz", "+", "%2B", "!", "%21", "a" * 249, "Z.9-"),
    *("/simple/", "/project/", "/packages/", "constructor", "__proto__", "%zz", "%2", "\x00", "\x7f"),
)
MORE_PATHS = PATHS | st.lists(st.sampled_from(MORE_FRAGMENTS), max_size=6).map("".join).map("/".__add__)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(MORE_PATHS, ACCEPT_TEXTS), min_size=30, max_size=60))
def test_every_path_and_accept_is_answered_as_it_is_served(
    run: Run, requests: list[tuple[str, str | None]]
) -> None:
    answers = run(asked(path, accept=accept) for path, accept in requests)
    for (path, accept), answer in zip(requests, answers, strict=True):
        assert answered(answer) == expected(path, accept), (path, accept)


@settings(max_examples=6, deadline=None)
@given(st.lists(MORE_PATHS, min_size=30, max_size=60))
def test_nothing_outside_the_live_generation_and_packages_is_asked_for(run: Run, paths: list[str]) -> None:
    for answer in run(asked(path, accept_encoding=GZIP) for path in paths):
        status, uri = answered(answer)
        if status == OK:
            assert re.fullmatch(r"/(g/7|packages)(/[A-Za-z0-9](?:[A-Za-z0-9._-]|%2B|%21)*)+", uri)


def test_accept_in_several_lines_counts_as_one(run: Run) -> None:
    html, json_page = at("simple/foo/index.html"), at("simple/foo/index.v1_json")
    kinds = {
        ("application/vnd.pypi.simple.v1+json",): json_page,
        ("text/html", "application/vnd.pypi.simple.v1+json"): json_page,
        ("text/html", "application/vnd.pypi.simple.v1+json;q=0.5"): html,
        ("text/html;q=0.1", "image/png", "application/vnd.pypi.simple.v1+json;q=0.5"): json_page,
    }
    answers = run(asked("/simple/foo/", accept=lines) for lines in kinds)
    assert [answered(answer)[1] for answer in answers] == list(kinds.values())


ENCODINGS: Mapping[str | tuple[str, ...] | None, bool] = {
    None: False,
    "": False,
    "gzip": True,
    GZIP: True,
    "deflate, gzip, br, zstd": True,
    "br;q=1.0, gzip;q=0.8, *;q=0.1": True,
    "GZIP": True,
    "x-gzip": True,
    " gzip ; q=0.001": True,
    "identity, gzip;q=0.5": True,
    ("br", "gzip"): True,
    ("gzip;q=0", "br"): False,
    "identity": False,
    "br": False,
    "*": False,  # whoever means it, names it
    "gzip;q=0": False,
    "gzip;q=0.000": False,
    "gzip; Q=0": False,
    "gzip;q=0, *": False,
    "gzip;q=2": False,
    "gzip;q=high": False,
    "gzip;q=": False,
    "gzipped": False,
    "not-gzip": False,
    "gzip\n": False,
    "\xa0gzip": False,
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_variant_is_named_to_whoever_takes_gzip(run: Run, method: str) -> None:
    answers = run(asked("/simple/foo/", method, accept_encoding=encoding) for encoding in ENCODINGS)
    for (encoding, zipped), answer in zip(ENCODINGS.items(), answers, strict=True):
        assert answered(answer)[1] == at("simple/foo/index.html", zipped=zipped), encoding


SUFFIXES = (
    *("html", "v1_json", "json", "toml", "txt", "css", "js", "svg"),
    *("HTML", "htm", "xhtml", "png", "ico", "woff2", "map", "xml", "mjs", "whl", "zip", "metadata"),
)


def test_the_variants_are_those_that_are_published(run: Run) -> None:
    keys = [
        *(case.result for case in CASES if case.result and case.status != MOVED),
        *(f"{folder}/name.{suffix}" for folder in ("assets", "packages") for suffix in SUFFIXES),
        *("assets/html", "assets/v1.js/name", "pylock/pylock.toml", "packages/index.html"),
    ]
    answers = run(asked("/" + quote(key), accept_encoding=GZIP) for key in keys)
    assert [answered(answer)[1] for answer in answers] == [at(key, zipped=has_gzip(key)) for key in keys]
    assert {has_gzip(key) for key in keys} == {True, False}


def test_what_goes_on_to_the_bucket_is_else_unchanged(run: Run) -> None:
    request = asked("/simple/foo/?a=1", "HEAD", accept=PIP, user_agent="pip", if_none_match='"x"')
    wanted = {**request, "uri": at("simple/foo/index.v1_json"), "querystring": {}}
    assert run([request]) == [wanted]


def test_a_login_is_not_passed_on(run: Run) -> None:
    for edge in (LIVE, CLOSED):
        [request] = run([asked("/simple/foo/", authorization=basic(LOGIN), range="bytes=0-1")], edge)
        assert set(request["headers"]) == {"host", "range"}


EVERY_KIND = ("/", "/simple/", "/simple/Foo", "/packages/a-1.whl", "/nowhere", "/g/7/index.html", "/..", "")


def test_without_a_generation_nothing_is_there(run: Run) -> None:
    assert {answered(answer) for answer in run(map(asked, EVERY_KIND), Edge())} == {(MISSING, "")}


@pytest.mark.parametrize("edge", [LIVE, CLOSED, Edge(), Edge(None, ())], ids=str)
def test_only_get_and_head_are_methods(run: Run, edge: Edge) -> None:
    methods = ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "")
    for answer in run((asked(path, method) for path in EVERY_KIND for method in methods), edge):
        assert answer["statusCode"] == 405
        assert answer["headers"]["allow"] == {"value": "GET, HEAD"}


@pytest.mark.parametrize("edge", [CLOSED, Edge(NUMBER, ()), Edge(None, CLOSED.tokens)], ids=str)
def test_without_a_token_every_path_asks_for_one(run: Run, edge: Edge) -> None:
    for answer in run((asked(path, method) for path in EVERY_KIND for method in ("GET", "HEAD")), edge):
        assert answer["statusCode"] == 401
        assert answer["headers"]["www-authenticate"] == {"value": 'Basic realm="mirror"'}
        assert answer["headers"]["cache-control"] == {"value": "no-store"}


def test_with_a_token_everything_is_as_without_tokens(run: Run) -> None:
    for login in (LOGIN, OTHER_LOGIN):
        requests = [asked(case.path, accept=case.accept, authorization=basic(login)) for case in CASES]
        assert list(map(answered, run(requests, CLOSED))) == list(map(judged, CASES))


def test_nobody_gets_in_where_there_are_no_tokens(run: Run) -> None:
    [answer] = run([asked("/", authorization=basic(LOGIN))], Edge(NUMBER, ()))
    assert answer["statusCode"] == 401


ENCODED = basic(LOGIN).removeprefix("Basic ")
LETS_IN = (f"Basic {ENCODED}", f"basic {ENCODED}", f"BASIC   {ENCODED}", basic(OTHER_LOGIN))
KEEPS_OUT = (
    "",
    "Basic",
    "Basic ",
    "Basic =",
    "Basic ====",
    ENCODED,
    f"Basic{ENCODED}",
    f" Basic {ENCODED}",
    f"Basic {ENCODED} ",
    f"Basic {ENCODED}\n",
    f"Basic\t{ENCODED}",
    f"Basic {ENCODED}=",
    f"Basic {ENCODED.rstrip('=')}" if ENCODED.endswith("=") else f"Basic {ENCODED[:-1]}",
    f"Basic {ENCODED[:4]} {ENCODED[4:]}",
    f"Basic {ENCODED}, Basic {ENCODED}",
    f"Basic {ENCODED[:-1]}\u00e9",
    f"Ba\u017fic {ENCODED}",
    f"Bearer {ENCODED}",
    f"Digest {ENCODED}",
    "Basic " + base64.b64encode(digest_of(LOGIN).encode()).decode(),
    "Basic " + base64.b64encode(bytes.fromhex(digest_of(LOGIN))).decode(),
    "Basic " + base64.b64encode(OTHER_LOGIN.encode("latin-1")).decode(),
    "Basic //79/A==",
    basic(""),
    basic(":"),
    basic(LOGIN[:-1]),
    basic(LOGIN + " "),
    basic(LOGIN + "\n"),
    basic(LOGIN.upper()),
    basic("team-a:"),
    basic(":s3cret:with:colons"),
    basic("null"),
    basic("0"),
    "Basic " + "A" * 7000,
    (f"Basic {ENCODED}", f"Basic {ENCODED}"),
    ("", f"Basic {ENCODED}"),
)


def test_only_a_known_login_gets_in(run: Run) -> None:
    statuses = [
        answered(answer)[0]
        for answer in run((asked("/", authorization=sent) for sent in (*LETS_IN, *KEEPS_OUT)), CLOSED)
    ]
    assert statuses == [OK] * len(LETS_IN) + [401] * len(KEEPS_OUT)


def test_base64_has_one_spelling(run: Run) -> None:
    # Four characters hold three bytes: the last group leaves bits over, which a lax reader ignores.
    closed = Edge(NUMBER, (digest_of("a:bc"),))
    canonical, others = "YTpiYw==", ("YTpiYx==", "YTpiYw", "YTpiYw=", "YTpiYw===", "YTpiY3==", "YTpi\nYw==")
    sent = [asked("/", authorization=f"Basic {text}") for text in (canonical, *others)]
    assert [answered(answer)[0] for answer in run(sent, closed)] == [OK] + [401] * len(others)


def test_what_it_answers_itself_has_text_and_headers(run: Run) -> None:
    reasons = {404: "Not Found", 301: "Moved Permanently", 405: "Method Not Allowed", 401: "Unauthorized"}
    paths = (("/nowhere", "GET"), ("/simple", "GET"), ("/", "PUT"))
    answers = [*run(asked(*path) for path in paths), *run([asked("/")], CLOSED)]
    for (status, reason), answer in zip(reasons.items(), answers, strict=True):
        assert (answer["statusCode"], answer["statusDescription"]) == (status, reason)
        assert answer["body"] == {"encoding": "text", "data": f"{reason}\n"}
        assert answer["headers"]["x-content-type-options"] == {"value": "nosniff"}
        assert answer["headers"]["content-type"] == {"value": "text/plain; charset=utf-8"}
        kept = "no-store" if status == 401 else "public, max-age=10"
        assert answer["headers"]["cache-control"] == {"value": kept}


def test_what_it_answers_to_a_login_is_for_nobody_else(run: Run) -> None:
    for path in ("/nowhere", "/simple"):
        [answer] = run([asked(path, authorization=basic(LOGIN))], CLOSED)
        assert answer["headers"]["cache-control"] == {"value": "private, max-age=10"}


def test_head_is_answered_as_get_is_but_for_the_text(run: Run) -> None:
    for edge in (LIVE, CLOSED):
        gets = run((asked(path, "GET") for path in EVERY_KIND), edge)
        heads = run((asked(path, "HEAD") for path in EVERY_KIND), edge)
        for get, head in zip(gets, heads, strict=True):
            get.pop("body", None)
            assert {**get, "method": ""} == {**head, "method": ""}


def test_long_hostile_headers_and_paths_are_answered(run: Run) -> None:
    size = 8000
    texts = ("," * size, ";" * size, " " * size, "a" + " " * size + "b", "q=" * (size // 2), "gzip," * 1600)
    paths = ("/" * size, "/assets/" + "a" * size, "/assets" + "/a.gz" * 1500, "/pylock" + "/a.toml" * 1000)
    names = ("/simple/" + "a" + "-" * 248, "/simple/a" + "." * 248 + "a", "/simple/" + "%61" * 250)
    answers = run(
        asked(path, accept=text, accept_encoding=text, authorization=text)
        for path in (*paths, *names, "/simple/")
        for text in texts
    )
    assert len(answers) == (len(paths) + len(names) + 1) * len(texts)


FORBIDDEN = {
    "let and const": r"\b(?:let|const)\b",
    "arrow function": r"=>",
    "template literal": r"`",
    "spread or rest": r"\.\.\.",
    "optional chaining": r"\?\.(?!\d)",
    "nullish coalescing": r"\?\?",
    "for-of": r"\bfor\s*\([^;)]*\bof\b",
    "class": r"\bclass\b",
    "generator": r"\bfunction\s*\*|\byield\b",
    "async": r"\b(?:async|await|Promise)\b",
    "module": r"\b(?:import|export)\b",
    "destructuring": r"\bvar\s*[\[{]|\bfunction\b[^(]*\([^)]*[\[{]",
    "default argument": r"\bfunction\b[^(]*\([^)]*=",
    "collections": r"\b(?:Map|Set|WeakMap|WeakSet|Symbol|Proxy|Reflect)\b",
    "replaceAll": r"\b(?:replaceAll|matchAll|flat|flatMap|at)\(",
    "exponent": r"\*\*",
    "evaluation": r"\beval\b|\bFunction\b",
    "timer": r"\bset(?:Timeout|Interval|Immediate)\b",
    "look-behind or named group": r"\(\?<",
    "regular expression with flags": r"/[a-z]*[uysdv][a-z]*\.(?:exec|test)",
    "non-ASCII": r"[^\x00-\x7f]",
}
EXAMPLES = {
    "let and const": "const a = 1;",
    "arrow function": "a.map(x => x)",
    "template literal": "`a`",
    "spread or rest": "f(...a)",
    "optional chaining": "a?.b",
    "nullish coalescing": "a ?? b",
    "for-of": "for (var a of b) {}",
    "class": "class A {}",
    "generator": "function* f() {}",
    "async": "async function f() {}",
    "module": "import crypto from 'crypto';",
    "destructuring": "var {a} = b;",
    "default argument": "function f(a = 1) {}",
    "collections": "new Map()",
    "replaceAll": "a.replaceAll('b', 'c')",
    "exponent": "2 ** 3",
    "evaluation": "new Function('a')",
    "timer": "setTimeout(f, 1)",
    "look-behind or named group": "/(?<=a)b/",
    "regular expression with flags": "/a/u.test(b)",
    "non-ASCII": "'\u00e9'",
}


def beyond_the_dialect(code: str) -> list[str]:
    """What one of the engines does not know or reads differently; comments may say anything."""
    bare = re.sub(r"^\s*//.*$", "", code, flags=re.MULTILINE)
    return [name for name, pattern in FORBIDDEN.items() if re.search(pattern, bare)]


def test_the_code_keeps_to_the_dialect() -> None:
    assert beyond_the_dialect(template()) == []
    assert template().isascii()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_beyond_the_dialect_is_seen(name: str) -> None:
    assert beyond_the_dialect(EXAMPLES[name]) == [name]


def test_it_is_small() -> None:
    assert len(template().encode()) <= 6 * 1024
    assert len(render(template(), Edge(10**9, tuple(f"{n:064x}" for n in range(60)))).encode()) <= MOST_BYTES
