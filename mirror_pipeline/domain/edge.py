"""What the function at the edge holds: which generation is live, and which tokens get in. Its code as text.

What belongs here: putting the two into the code and reading them back, and which keys have a variant for
clients that take gzip. What does not: the code itself (``edge/viewer_request.js``), or deploying it
(``adapters.edge_function``).

CloudFront takes 10 KB of code. A token costs 67 bytes of it, and the template leaves room for 60.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.errors import EdgeTooBigError

MOST_BYTES = 10 * 1024

_FIRST_LINE = "// mirror_pipeline: viewer-request function,"
_CONFIG = re.compile(r"^var CONFIG = (.*);$", re.MULTILINE)
_ZIPPED = (".html", ".v1_json", ".json", ".toml", ".txt", ".css", ".js", ".svg")
_LONGEST_NAME = 64  # of a CloudFront function


@dataclass(frozen=True, slots=True)
class Edge:
    """The pointer and the tokens. A value that is none, such as tokens out of order, is a ``ValueError``."""

    generation: int | None = None
    """None: nothing is published, every path is 404."""
    tokens: tuple[str, ...] | None = None
    """SHA-256 of ``name:token`` for each that gets in, sorted; ``()``: nobody does; None: everybody does."""

    def __post_init__(self) -> None:
        if self.generation is not None and (type(self.generation) is not int or self.generation < 0):
            raise ValueError(f"not a generation: {self.generation!r}")
        if self.tokens is not None and self.tokens != tuple(sorted(set(filter(is_sha256, self.tokens)))):
            raise ValueError("tokens are distinct SHA-256, in order")


def render(template: str, edge: Edge) -> str:
    """Return the code that makes ``edge`` true. The same value gives the same code."""
    code = _with(template, edge)
    size = len(code.encode())
    if size > MOST_BYTES:
        most = _most_tokens(template, edge)
        raise EdgeTooBigError(
            f"the CloudFront function would have {size} bytes of at most {MOST_BYTES}: {most} tokens fit",
            hint="revoke tokens that nobody needs any more",
            size=size,
            most=most,
        )
    return code


def parse(code: str) -> Edge | None:
    """Read back what ``render`` put into the code, of this release or another; None where it is not ours."""
    found = _CONFIG.findall(code)
    if not code.startswith(_FIRST_LINE) or len(found) != 1:
        return None
    try:
        config = json.loads(found[0])
        edge = Edge(config["generation"], _tuple(config["tokens"]))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return edge if _config(edge) == found[0] else None


def is_made_from(template: str, code: str) -> bool:
    """Whether code is what this release makes of what it holds; also where that has become too big."""
    edge = parse(code)
    return edge is not None and _with(template, edge) == code


def function_name(bucket: str) -> str:
    """Name the function of a bucket. Different buckets have different ones, also where names get too long."""
    plain = f"mirror-{bucket.replace('.', '_')}"  # bucket names have no underscore
    if len(plain) <= _LONGEST_NAME:
        return plain
    digest = hashlib.sha256(bucket.encode()).hexdigest()[:32]
    return f"mirror_{bucket.replace('.', '_')[: _LONGEST_NAME - 40]}_{digest}"


def has_gzip(key: str) -> bool:
    """Whether a page lies beside its own ``.gz``, which the function names to clients that take it."""
    return key.endswith(_ZIPPED) and not key.startswith("packages/")


def _with(template: str, edge: Edge) -> str:
    code, replaced = _CONFIG.subn(lambda _: f"var CONFIG = {_config(edge)};", template)
    if replaced != 1 or not code.startswith(_FIRST_LINE):
        raise ValueError("not the template of the function")
    return code


def _config(edge: Edge) -> str:
    tokens = None if edge.tokens is None else list(edge.tokens)
    return json.dumps({"generation": edge.generation, "tokens": tokens}, separators=(",", ":"))


def _tuple(tokens: Any) -> tuple[str, ...] | None:
    if tokens is not None and not isinstance(tokens, list):
        raise TypeError("not a list")
    return None if tokens is None else tuple(tokens)


def _most_tokens(template: str, edge: Edge) -> int:
    """Each costs its 64 digits, two quotes and, but for the first, a comma."""
    room = MOST_BYTES - len(_with(template, Edge(edge.generation, ())).encode())
    return max((room + 1) // 67, 0)
