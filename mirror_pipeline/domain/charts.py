"""Bar charts as Markdown images that hold their drawing (SVG in a ``data:`` URL), for the Dagster UI.

The UI shows such an image in place of a link only where the Markdown is shorter than ``INLINE`` characters,
so a chart has as many bars as fit. Everything that comes from outside is escaped twice: as XML, and as a URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

INLINE = 1000
"""Markdown of so many characters, or more, is shown behind a link."""

_WIDTH, _ROW, _BAR, _LETTERS = 460, 28, 7, 48
_SAFE = " '=/:;,.-_+!*()@?~"
"""What stands for itself in a link destination of Markdown within ``<>``."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: what it is, its value as people read it, and how long it is beside the others."""

    label: str
    shown: str
    value: float


def chart(bars: Sequence[Bar], alt: str, most: int = INLINE) -> str:
    """The first bars, as many as make less than ``most`` characters, as a Markdown image; '' for no bars."""
    drawn = [_image(bars[:count], alt) for count in range(1, len(bars) + 1)]
    return next((image for image in reversed(drawn) if len(image) < most), drawn[0] if drawn else "")


def _image(bars: Sequence[Bar], alt: str) -> str:
    return f"![{_plain(alt)}](<data:image/svg+xml,{quote(drawing(bars), safe=_SAFE)}>)"


def _plain(text: str) -> str:
    """Text that Markdown takes as it stands."""
    return "".join(f"\\{one}" if one in _MEANT_BY_MARKDOWN else one for one in _one_line(text))


_MEANT_BY_MARKDOWN = frozenset("\\`*_{}[]<>()#!|~&$")


def drawing(bars: Sequence[Bar]) -> str:
    """The chart as an SVG document: a line of text above each bar. All bars are one path."""
    longest = max((bar.value for bar in bars), default=0)
    texts = "".join(
        f"<text y='{_ROW * number + 14}'>{_text(f'{bar.shown} {_middle_cut(bar.label)}')}</text>"
        for number, bar in enumerate(bars)
    )
    path = "".join(
        f"M0 {_ROW * number + 21}h{_length(bar.value, longest)}" for number, bar in enumerate(bars)
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_ROW * len(bars)}' "
        f"font-family='monospace' font-size='12' fill='#777'>{texts}"
        f"<path d='{path}' stroke='slateblue' stroke-width='{_BAR}'/></svg>"
    )


def _length(value: float, longest: float) -> int:
    return max(1, round(_WIDTH * value / longest)) if longest > 0 else 1


def _text(text: str) -> str:
    """Text of an XML document, in which control characters have no place."""
    return escape(_one_line(text), quote=True)


def _one_line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text).strip()


def _middle_cut(label: str) -> str:
    """A label that fits its row: what a file is called stands at the beginning, its platform at the end."""
    if len(label) <= _LETTERS:
        return label
    return f"{label[: _LETTERS - 23]}...{label[-20:]}"
