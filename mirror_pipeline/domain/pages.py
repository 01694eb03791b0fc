"""Project pages and the project list, as HTML (PEP 503) and as JSON (PEP 691, versions and sizes of PEP 700).

What clients punish, and so is a rule here: only sha256; the anchor's text is the file name exactly;
hrefs are relative, quoted, without query strings; ``core-metadata`` only, never its older name (some
releases of pip fail on that one), and only where the ``.metadata`` file is there (PEP 658, 714).
Pages carry no date: the same files give the same bytes.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from packaging.version import Version

from mirror_pipeline.domain.wheelset import Held

API_VERSION = "1.1"
HTML_NAME = "index.html"
JSON_NAME = "index.v1_json"

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="pypi:repository-version" content="{api}">
    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
{body}
  </body>
</html>
"""


def page_files(projects: Mapping[str, Sequence[Held]]) -> Mapping[str, bytes]:
    """Every page of the index: key below the site → content."""
    pages = {
        f"simple/{HTML_NAME}": list_html(projects),
        f"simple/{JSON_NAME}": list_json(projects),
    }
    for project, files in projects.items():
        pages[f"simple/{project}/{HTML_NAME}"] = project_html(project, files)
        pages[f"simple/{project}/{JSON_NAME}"] = project_json(project, files)
    return {key: text.encode() for key, text in sorted(pages.items())}


def file_url(file: str) -> str:
    """The relative URL of a file from a project page; ``+`` is quoted, some servers read it as a space."""
    return f"../../packages/{quote(file, safe='!')}"


def list_html(projects: Iterable[str]) -> str:
    """The project list (PEP 503)."""
    body = "\n".join(f'    <a href="{quote(name)}/">{html.escape(name)}</a><br>' for name in sorted(projects))
    return _PAGE.format(api=API_VERSION, title="Simple index", body=body)


def list_json(projects: Iterable[str]) -> str:
    """The project list (PEP 691)."""
    return _json({"meta": _META, "projects": [{"name": name} for name in sorted(projects)]})


def project_html(project: str, files: Sequence[Held]) -> str:
    """A project page (PEP 503 with the attributes of PEP 592, 658 and 714)."""
    body = "\n".join(f"    {_anchor(item)}<br>" for item in files)
    return _PAGE.format(api=API_VERSION, title=f"Links for {html.escape(project)}", body=body)


def _anchor(item: Held) -> str:
    artifact = item.artifact
    attributes = {"href": f"{file_url(artifact.file)}#sha256={artifact.sha256}"}
    if requires := requires_python(item):
        attributes["data-requires-python"] = requires
    if item.metadata:
        attributes["data-core-metadata"] = f"sha256={item.metadata.sha256}"
    if item.yanked is not False:
        attributes["data-yanked"] = "" if item.yanked is True else item.yanked
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{html.escape(artifact.file)}</a>"


def project_json(project: str, files: Sequence[Held]) -> str:
    """A project page (PEP 691, with ``versions``, ``size`` and ``upload-time`` of PEP 700)."""
    versions = sorted({item.artifact.version for item in files}, key=Version)
    return _json(
        {
            "files": [_file(item) for item in files],
            "meta": _META,
            "name": project,
            "versions": versions,
        }
    )


def _file(item: Held) -> Mapping[str, Any]:
    artifact = item.artifact
    entry: dict[str, Any] = {
        "core-metadata": {"sha256": item.metadata.sha256} if item.metadata else False,
        "filename": artifact.file,
        "hashes": {"sha256": artifact.sha256},
        "size": item.size,
        "url": file_url(artifact.file),
        "yanked": item.yanked,
    }
    if requires := requires_python(item):
        entry["requires-python"] = requires
    if item.upload_time:
        entry["upload-time"] = item.upload_time
    return entry


def requires_python(item: Held) -> str | None:
    """What a file asks of Python: its own metadata before what upstream repeats of it."""
    own = item.metadata.requires_python if item.metadata else None
    return own or item.requires_python or None


_META = {"api-version": API_VERSION}


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
