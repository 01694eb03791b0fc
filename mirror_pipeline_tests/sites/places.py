"""Places to publish to, for one suite: a directory, buckets with an edge or in place, on servers and none.

A ``Place`` makes sites (each a publisher of its own), says what a client sees through what stands before the
bucket, and shares the state that all its publishers work on. ``FakeCloudFront`` is the service of functions
as far as the project uses it: stages, ETags, refusals.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.adapters.s3_objects import S3Objects
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.cloud import Cloud, Retention
from mirror_pipeline.domain.edge import Edge, function_name, parse
from mirror_pipeline.domain.generations import Provenance
from mirror_pipeline.domain.ledger import Writer
from mirror_pipeline.domain.manifest import Manifest, make_manifest
from mirror_pipeline.domain.serving import HTML_PAGE
from mirror_pipeline.domain.wheelset import Held
from mirror_pipeline.sites.books import Office
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.directory import DirectorySite
from mirror_pipeline.sites.edge_front import EdgeFront
from mirror_pipeline.sites.front import Front
from mirror_pipeline.sites.looking import BucketLooker
from mirror_pipeline.sites.placed_front import PlacedFront
from mirror_pipeline.sites.site import Publication, Site
from mirror_pipeline_tests.fakes import Bucket, Hook, MemoryObjects, nothing, upload_of
from mirror_pipeline_tests.wheels import Dist, wheel

FUNCTION = "mirror-bucket"
NOW = "2026-11-20T00:00:00+00:00"
ALPHA, BETA, GAMMA = wheel("alpha"), wheel("beta", "2.0+cpu"), wheel("gamma", payload=3000)


def content(text: str, *dists: Dist) -> dict[str, bytes]:
    """Pages of a made-up generation: they all say which one they are of."""
    projects = {dist.project for dist in dists}
    return {
        "index.html": f"<p>{text}</p>".encode(),
        "simple/index.html": f"{text} {sorted(projects)}".encode(),
        "simple/index.v1_json": f'{{"{text}": 1}}'.encode(),
        **{f"simple/{name}/index.html": f"{name} {text}".encode() for name in projects},
        **{f"simple/{name}/index.v1_json": f'"{name} {text}"'.encode() for name in projects},
        "requirements-prod.txt": text.encode(),
    }


@dataclass
class Workshop:
    """A wheel store, and publications made from it."""

    home: Path

    def __post_init__(self) -> None:
        self.store = WheelStore(self.home)
        self.store.prepare()

    def publication(
        self, text: str, *dists: Dist, made: str = NOW, requirements: str = "", force: bool = False
    ) -> Publication:
        """A generation that says ``text`` and holds these wheels."""
        wheels = dists or (ALPHA,)
        held = [self._held(dist) for dist in wheels]
        pages = content(text, *wheels)
        manifest = make_manifest(requirements or text, ["noarch"], pages, held)
        provenance = Provenance(made, "ann@example", f"lock of {text}")
        return Publication(pages, manifest, self.store.packages, provenance, force)

    def _held(self, dist: Dist) -> Held:
        self.store.path(dist.file).write_bytes(dist.content)
        return Held(dist.artifact(), dist.size, self.store.core_metadata(dist.file))


def expected(publication: Publication) -> dict[str, bytes]:
    """Everything that clients get of a publication: pages, manifest, packages."""
    folder = publication.packages.parent
    packages = [key for key in publication.manifest.files if key.startswith("packages/")]
    return {
        **publication.pages,
        "manifest.json": publication.manifest.to_bytes(),
        **{key: (folder / key).read_bytes() for key in packages},
    }


class FakeCloudFront:
    """Functions of CloudFront: a client as boto3's, all of whose copies share one state.

    ``before`` and ``after`` are hooks as those of ``MemoryObjects``, called with the operation.
    """

    def __init__(
        self, state: dict[str, dict[str, Any]] | None = None, before: Hook = nothing, after: Hook = nothing
    ) -> None:
        self.state = {} if state is None else state
        self.before, self.after = before, after
        self._etags = itertools.count(1)
        self._lock = threading.Lock()

    def beside(self, before: Hook = nothing, after: Hook = nothing) -> FakeCloudFront:
        """Another client of the same service."""
        other = FakeCloudFront(self.state, before, after)
        other._etags, other._lock = self._etags, self._lock
        return other

    def create_function(self, *, Name: str, FunctionCode: bytes, **_rest: Any) -> Any:  # noqa: N803
        """Make a function with a DEVELOPMENT stage."""
        self.state[Name] = {"etag": self._etag(), "DEVELOPMENT": FunctionCode, "LIVE": None}
        return {"ETag": self.state[Name]["etag"]}

    def get_function(self, *, Name: str, Stage: str) -> Any:  # noqa: N803
        """Code and ETag of a stage."""
        self.before("GetFunction", Stage)
        code = self.state.get(Name, {}).get(Stage)
        if code is None:
            raise _refusal("NoSuchFunctionExists", 404)
        self.after("GetFunction", Stage)
        return {"ETag": self.state[Name]["etag"], "FunctionCode": io.BytesIO(code)}

    def update_function(self, *, Name: str, IfMatch: str, FunctionCode: bytes, **_rest: Any) -> Any:  # noqa: N803
        """Replace DEVELOPMENT."""
        return self._change(Name, IfMatch, "UpdateFunction", {"DEVELOPMENT": FunctionCode})

    def publish_function(self, *, Name: str, IfMatch: str) -> Any:  # noqa: N803
        """Copy DEVELOPMENT to LIVE."""
        return self._change(Name, IfMatch, "PublishFunction", None)

    def _change(self, name: str, etag: str, operation: str, stages: dict[str, bytes] | None) -> Any:
        self.before(operation, name)
        with self._lock:
            function = self.state[name]
            if etag != function["etag"]:
                raise _refusal("PreconditionFailed", 412)
            if stages is None:
                function["LIVE"] = function["DEVELOPMENT"]
            else:
                function.update(stages, etag=self._etag())
        self.after(operation, name)
        return {"ETag": function["etag"]}

    def _etag(self) -> str:
        return f"E{next(self._etags)}"


def _refusal(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Function"
    )


@dataclass
class Publishers:
    """What tells publishers apart and lets time pass: a clock, process numbers, who is alive."""

    now: float = 1_800_000_000.0
    dead: set[int] = field(default_factory=set)
    numbers: Iterable[int] = field(default_factory=lambda: itertools.count(100))
    paused: list[float] = field(default_factory=list)

    def office(self, store: ObjectStore, host: str = "here") -> Office:
        """The office of a new publisher."""
        number = next(iter(self.numbers))
        return Office(
            store,
            lambda: Writer("ann", host, number, self.now),
            lambda process: process not in self.dead,
            self._pause,
        )

    def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += seconds


class MemoryPlace:
    """A bucket in memory, shown at an edge or in place."""

    def __init__(self, *, edge: bool, conditional: bool = True) -> None:
        self.edge = edge
        self.bucket = Bucket(conditional=conditional)
        self.publishers = Publishers()
        self.bucket.clock = lambda: self.publishers.now
        self.cloudfront = FakeCloudFront()
        self.invalidated: list[str] = []
        if edge:
            EdgeFunction(self.cloudfront, FUNCTION).create(Edge(), {})

    @property
    def objects(self) -> dict[str, Any]:
        """What is in the bucket."""
        return self.bucket.objects

    def site(
        self,
        before: Hook = nothing,
        after: Hook = nothing,
        *,
        host: str = "here",
        retention: Retention | None = None,
        client: type[MemoryObjects] = MemoryObjects,
    ) -> BucketSite:
        """A new publisher. Its hooks hear of requests to the bucket and to the service of functions."""
        store = client(self.bucket, before, after)
        service = self.cloudfront.beside(before, after)
        front: Front = (
            EdgeFront(store, lambda: EdgeFunction(service, FUNCTION))
            if self.edge
            else PlacedFront(store, self._invalidation(before))
        )
        office = self.publishers.office(store, host)
        return BucketSite(store, office, front, BucketLooker(store), store.name, retention or Retention())

    def spoil(self, key: str, content: bytes | None) -> None:
        """Change an object behind the books' back, or remove it; its headers stay."""
        if content is None:
            del self.bucket.objects[key]
        else:
            MemoryObjects(self.bucket).spoil(key, content)

    def leave(self, key: str) -> None:
        """Something of somebody else, or of nobody."""
        MemoryObjects(self.bucket).put(upload_of(key, b"not ours"))

    def headers(self, key: str) -> tuple[str, ...]:
        """What an object is answered with."""
        kept = self.bucket.objects[key]
        return kept.content_type, kept.cache_control, kept.content_encoding

    def keys(self) -> set[str]:
        """What there is."""
        return set(self.bucket.objects)

    def _invalidation(self, before: Hook) -> Callable[[Iterable[str]], None]:
        def invalidate(paths: Iterable[str]) -> None:
            before("CreateInvalidation", "")
            self.invalidated += paths

        return invalidate

    def shown(self) -> dict[str, bytes]:
        """All that a client can get, by public key."""
        if self.edge:
            edge = parse(self.cloudfront.state[FUNCTION]["LIVE"].decode())
            if edge is None or edge.generation is None:
                return {}
            prefix = f"g/{edge.generation}/"
        else:
            prefix = ""
        return visible({key: kept.content for key, kept in self.bucket.objects.items()}, prefix)


def visible(objects: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    """Public key → content, as a front shows objects: packages, and pages below a prefix."""
    found = {key: data for key, data in objects.items() if key.startswith("packages/")}
    for key, data in objects.items():
        public = key.removeprefix(prefix)
        hidden = public.startswith(("packages/", ".mirror/", "g/")) or public.endswith((".gz", "/"))
        if key.startswith(prefix) and not hidden:
            found[public] = data
    return found


def is_whole(shown: Mapping[str, bytes], publication: Publication) -> bool:
    """Whether a client gets this generation, every byte of it; packages of others may lie beside."""
    wanted = expected(publication)
    pages = {key for key in shown if not key.startswith("packages/")}
    return pages == {key for key in wanted if not key.startswith("packages/")} and all(
        shown.get(key) == data for key, data in wanted.items()
    )


def links_hold(shown: Mapping[str, bytes], *publications: Publication) -> bool:
    """Whether each page is whole, of one of these generations, and every package of that one is there."""
    for key, data in shown.items():
        if key.startswith("packages/") or not (key.startswith("simple/") and key.endswith(HTML_PAGE)):
            continue
        sources = [one for one in publications if expected(one).get(key) == data]
        if not any(_packages_there(one, shown) for one in sources):
            return False
    return True


def _packages_there(publication: Publication, shown: Mapping[str, bytes]) -> bool:
    files = {key: entry for key, entry in publication.manifest.files.items() if key.startswith("packages/")}
    return all(
        key in shown and hashlib.sha256(shown[key]).hexdigest() == entry.sha256
        for key, entry in files.items()
    )


def publish(site: Site, publication: Publication) -> int:
    """Publish; the number that is live then."""
    return site.publish(publication, Silent()).generation


def live_manifest(site: Site) -> Manifest:
    """The live manifest, which has to be there."""
    manifest = site.manifest()
    assert manifest is not None
    return manifest


class DirectoryPlace:
    """A plain directory; publishers have no process of their own there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.edge = True

    def site(self, *, retention: Retention | None = None) -> DirectorySite:
        """A new publisher."""
        return DirectorySite(self.home)

    def shown(self) -> dict[str, bytes]:
        """All that a client can get."""
        root = self.home / "site"
        files = {path.relative_to(root).as_posix(): path for path in _files(root)} if root.exists() else {}
        return {key: path.read_bytes() for key, path in files.items()}


def _files(root: Path) -> Iterable[Path]:
    for path in root.iterdir():
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


class ServerPlace:
    """A bucket of a real server, with a real function where that server has such."""

    def __init__(self, cloud: Cloud, *, edge: bool) -> None:
        self.edge, self.publishers = edge, Publishers()
        self.aws = Aws(cloud)
        if edge:
            self._function().create(Edge(), {})

    def _function(self) -> EdgeFunction:
        return EdgeFunction(self.aws.client("cloudfront"), function_name(self.aws.cloud.bucket))

    def spoil(self, key: str, content: bytes | None) -> None:
        """Change an object behind the books' back, or remove it; its headers stay."""
        s3, at = self.aws.client("s3"), {"Bucket": self.aws.cloud.bucket, "Key": key}
        if content is None:
            s3.delete_object(**at)
        else:
            kept = s3.head_object(**at)
            wanted = ("ContentType", "CacheControl", "ContentEncoding")
            s3.put_object(Body=content, **at, **{name: kept[name] for name in wanted if kept.get(name)})

    def leave(self, key: str) -> None:
        """Something of somebody else, or of nobody."""
        S3Objects(self.aws).put(upload_of(key, b"not ours"))

    def headers(self, key: str) -> tuple[str, ...]:
        """What an object is answered with."""
        kept = self.aws.client("s3").head_object(Bucket=self.aws.cloud.bucket, Key=key)
        return tuple(kept.get(name, "") for name in ("ContentType", "CacheControl", "ContentEncoding"))

    def keys(self) -> set[str]:
        """What there is."""
        return {found.key for found in S3Objects(self.aws).list("")}

    def site(self, *, retention: Retention | None = None) -> BucketSite:
        """A new publisher."""
        store = S3Objects(self.aws)
        front: Front = EdgeFront(store, self._function) if self.edge else PlacedFront(store)
        office = self.publishers.office(store)
        return BucketSite(store, office, front, BucketLooker(store), store.name, retention or Retention())

    def shown(self) -> dict[str, bytes]:
        """All that a client can get."""
        deployed = self._function().read() if self.edge else None
        number = deployed.edge.generation if deployed and deployed.edge else None
        if self.edge and number is None:
            return {}
        store = S3Objects(self.aws)
        objects = {one.key: found.content for one in store.list("") if (found := store.get(one.key))}
        return visible(objects, f"g/{number}/" if self.edge else "")


BucketPlace = MemoryPlace | ServerPlace
Place = DirectoryPlace | BucketPlace
