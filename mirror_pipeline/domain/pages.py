"""Project pages and the project list, as HTML (PEP 503) and as JSON (PEP 691), at version 1.4 of the API.

What clients punish, and so is a rule here: only sha256; the anchor's text is the file name exactly;
hrefs are relative, quoted, without query strings; ``core-metadata`` only, never its older name (some
releases of pip fail on that one), and only where the ``.metadata`` file is there (PEP 658, 714).
Pages carry no date: the same files give the same bytes.

Besides files (PEP 592, 700) they repeat what upstream says of the project (PEP 708, 792), and say where the
provenance of files lies (PEP 740). The standard wants a fully qualified URL of that, and clients refuse a
page with another: it stands there only where it is known under which URL the mirror is reached. In JSON a
private key has it relative, for a mirror of this mirror.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from packaging.version import Version

from mirror_pipeline.domain.project_facts import ACTIVE, NOTHING, ProjectFacts
from mirror_pipeline.domain.provenance import absolute_url, relative_url
from mirror_pipeline.domain.simple_page import OWN_PROVENANCE
from mirror_pipeline.domain.wheelset import Held

API_VERSION = "1.4"
HTML_NAME = "index.html"
JSON_NAME = "index.v1_json"

_UPLOAD_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)  # PEP 700

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
{metas}
    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
{body}
  </body>
</html>
"""


def page_files(
    projects: Mapping[str, Sequence[Held]], facts: Mapping[str, ProjectFacts] | None = None, base: str = ""
) -> Mapping[str, bytes]:
    """Every page of the index: key below the site → content.

    ``facts`` is what upstream says of projects, ``base`` the URL under which the mirror is reached, '' where
    nobody knows.
    """
    pages = {
        f"simple/{HTML_NAME}": list_html(projects),
        f"simple/{JSON_NAME}": list_json(projects),
    }
    for project, files in projects.items():
        said = (facts or {}).get(project, NOTHING)
        pages[f"simple/{project}/{HTML_NAME}"] = project_html(project, files, said, base)
        pages[f"simple/{project}/{JSON_NAME}"] = project_json(project, files, said, base)
    return {key: text.encode() for key, text in sorted(pages.items())}


def file_url(file: str) -> str:
    """The relative URL of a file from a project page; ``+`` is quoted, some servers read it as a space."""
    return f"../../packages/{quote(file, safe='!')}"


def list_html(projects: Iterable[str]) -> str:
    """The project list (PEP 503)."""
    body = "\n".join(f'    <a href="{quote(name)}/">{html.escape(name)}</a><br>' for name in sorted(projects))
    return _PAGE.format(metas=_metas(NOTHING), title="Simple index", body=body)


def list_json(projects: Iterable[str]) -> str:
    """The project list (PEP 691)."""
    listed = [{"name": name} for name in sorted(projects)]
    return _json({"meta": {"api-version": API_VERSION}, "projects": listed})


def project_html(project: str, files: Sequence[Held], facts: ProjectFacts = NOTHING, base: str = "") -> str:
    """A project page (PEP 503, with what PEP 592, 658, 708, 714, 740 and 792 add)."""
    body = "\n".join(f"    {_anchor(item, base)}<br>" for item in files)
    return _PAGE.format(metas=_metas(facts.repeated), title=f"Links for {html.escape(project)}", body=body)


def _metas(facts: ProjectFacts) -> str:
    """The ``<meta>`` elements; an active project needs no word (PEP 792)."""
    named = [("repository-version", API_VERSION)]
    if facts.status.status != ACTIVE:
        named.append(("project-status", facts.status.status))
        named += [("project-status-reason", reason) for reason in (facts.status.reason,) if reason]
    named += [("tracks", url) for url in facts.tracks]
    named += [("alternate-locations", url) for url in facts.alternates]
    return "\n".join(
        f'    <meta name="pypi:{name}" content="{html.escape(content)}">' for name, content in named
    )


def _anchor(item: Held, base: str) -> str:
    artifact = item.artifact
    attributes = {"href": f"{file_url(artifact.file)}#sha256={artifact.sha256}"}
    if requires := requires_python(item):
        attributes["data-requires-python"] = requires
    if item.metadata:
        attributes["data-core-metadata"] = f"sha256={item.metadata.sha256}"
    if item.yanked is not False:
        attributes["data-yanked"] = "" if item.yanked is True else item.yanked
    if provenance := _provenance(item, base):
        attributes["data-provenance"] = provenance
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{html.escape(artifact.file)}</a>"


def project_json(project: str, files: Sequence[Held], facts: ProjectFacts = NOTHING, base: str = "") -> str:
    """A project page (PEP 691, with what PEP 700, 708, 740 and 792 add)."""
    said = facts.repeated
    document: dict[str, Any] = {
        "files": [_file(item, base) for item in files],
        "meta": {"api-version": API_VERSION, **({"tracks": said.tracks} if said.tracks else {})},
        "name": project,
        "versions": _versions(files),
    }
    if said.alternates:
        document["alternate-locations"] = said.alternates
    if said.status.status != ACTIVE:
        reason = {"reason": said.status.reason} if said.status.reason else {}
        document["project-status"] = {"status": said.status.status, **reason}
    return _json(document)


def _versions(files: Sequence[Held]) -> Sequence[str]:
    """Each once, normalized as PEP 700 asks, in their order."""
    versions = {str(version): version for version in (Version(item.artifact.version) for item in files)}
    return sorted(versions, key=lambda text: (versions[text], text))


def _file(item: Held, base: str) -> Mapping[str, Any]:
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
    if item.upload_time and _UPLOAD_TIME.fullmatch(item.upload_time):
        entry["upload-time"] = item.upload_time
    if item.provenance:
        entry[OWN_PROVENANCE] = relative_url(artifact.file)
    if provenance := _provenance(item, base):
        entry["provenance"] = provenance
    return entry


def _provenance(item: Held, base: str) -> str | None:
    return absolute_url(base, item.artifact.project, item.artifact.file) if item.provenance else None


def requires_python(item: Held) -> str | None:
    """What a file asks of Python: its own metadata before what upstream repeats of it."""
    own = item.metadata.requires_python if item.metadata else None
    return own or item.requires_python or None


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
