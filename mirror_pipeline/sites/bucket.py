"""A bucket as a site: the order of a publication, a rollback and a repair, whatever shows the generations.

Packages first, then pages where nobody looks, then the books, then what clients see, then the books again.
Interrupted anywhere, clients have one generation whole (in place: each page whole), and the next run goes on.
What belongs here: that order. What does not: how pages are shown (``sites.front``), the books themselves
(``sites.books``), removing what is old (``sites.collecting``), and looking at it all (``sites.looking``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.domain.bucket_layout import other_bytes, package_uploads, packages_of
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.edge import has_gzip
from mirror_pipeline.domain.generations import Hold, SiteStatus, record_of
from mirror_pipeline.domain.ledger import LEDGER, Ledger
from mirror_pipeline.domain.manifest import Manifest
from mirror_pipeline.domain.objects import Stored, Upload
from mirror_pipeline.domain.verification import Finding, SiteFacts
from mirror_pipeline.errors import CloudError, DocumentError, PublisherConflictError, UsageError
from mirror_pipeline.sites.books import Office, Turn
from mirror_pipeline.sites.collecting import collect, refuse_unknown_pointer, superfluous_objects
from mirror_pipeline.sites.front import Front, Pages, Sender, Shown, manifest_at, unused_number
from mirror_pipeline.sites.looking import Looker
from mirror_pipeline.sites.reconciling import reconcile
from mirror_pipeline.sites.repairing import Repair
from mirror_pipeline.sites.site import Collected, Outcome, Publication

_WINDOW = 900.0
"""Seconds in which a removal that somebody began may still be going on."""
_LOOKS = 3


@dataclass
class BucketSite:
    """One bucket, shown by one front."""

    store: ObjectStore
    office: Office
    front: Front
    looker: Looker
    location: str
    retention: Retention = field(default_factory=Retention)

    @property
    def identity(self) -> str:
        """The bucket, and how it is shown."""
        return f"{self.store.name} {type(self.front).__name__} {self.location}"

    def status(self) -> SiteStatus:
        """What is live, in one request."""
        return self.office.read().status

    def manifest(self) -> Manifest | None:
        """The live generation's manifest."""
        live = self.office.read().live
        return None if live is None else self.manifest_of(live)

    def manifest_of(self, generation: int) -> Manifest | None:
        """A kept generation's manifest."""
        return manifest_at(self.front, generation)

    def publish(self, publication: Publication, progress: Progress) -> Outcome:
        """Make it live as a new generation; one request where it is live already or held."""
        asked = self.store.requests
        ledger = self.office.read()
        status = ledger.status
        hold = publication.held_by(status)
        if hold and (status.pending or ledger.shown_by != self.front.kind):
            status = self.roll_back(hold)
        is_live = (
            status.digest == publication.manifest.digest
            and not status.pending
            and not status.hold
            and ledger.shown_by == self.front.kind
        )
        if not hold and not is_live:
            return self._published(publication, progress, asked)
        deleted = self._removal_finished(publication.provenance.made) if status.unsettled else ()
        return Outcome(
            generation=status.live or 0,
            digest=status.digest,
            hold=hold,
            skipped=len(publication.manifest.files),
            deleted=deleted,
            requests=self.store.requests - asked,
        )

    def _removal_finished(self, now: str) -> tuple[str, ...]:
        """What an interrupted removal was about to remove."""
        with self._turn() as turn:
            return collect(self.front, turn, self.retention, now).keys

    def repair(self, publication: Publication, progress: Progress) -> Outcome:
        """Write again what was changed or removed behind the books' back, then publish."""
        asked = self.store.requests
        _, findings = self.reconcile()
        damaged = frozenset(one.subject for one in findings)
        ledger = self.office.read()
        astray = bool(ledger.shown) and self.front.is_astray(ledger)
        sent: list[Upload] = []
        notes: tuple[str, ...] = ()
        if damaged or astray:
            with self._turn() as turn, progress.work("repairing", len(damaged), None) as advance:
                sender = Sender(self.store, turn, advance, sent)
                notes = Repair(self.front, sender, publication, damaged, astray).run()
        done = self.publish(publication, progress)
        return replace(
            done,
            uploaded=tuple(sorted({*done.uploaded, *(upload.key for upload in sent)})),
            size=done.size + sum(upload.size for upload in sent),
            requests=done.requests + self.store.requests - asked,
            notes=(*notes, *done.notes),
        )

    def _published(self, publication: Publication, progress: Progress, asked: int) -> Outcome:
        with self._turn() as turn, progress.work("publishing", *self._amount(publication)) as advance:
            sender = Sender(self.store, turn, advance)
            step = _Step(self, publication, sender)
            number, shown = step.run()
            deleted, notes = self._old_removed(turn, publication.provenance.made)
            return Outcome(
                generation=number,
                digest=turn.ledger.status.digest,
                uploaded=tuple(sorted(upload.key for upload in sender.sent)),
                skipped=step.skipped,
                deleted=(*shown.removed, *deleted),
                size=sum(upload.size for upload in sender.sent),
                requests=self.store.requests - asked + shown.requests,
                notes=(*turn.notes, *notes),
            )

    def _amount(self, publication: Publication) -> tuple[int, int]:
        """Files and bytes at most, for the progress: what is behind the edge has variants and a record."""
        files = publication.manifest.files
        variants = sum(map(has_gzip, publication.pages_with_manifest)) if self.front.one_step else 0
        return len(files) + variants + 3, sum(entry.size for entry in files.values())

    def _old_removed(self, turn: Turn, now: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Keys that were removed, or a note why not: what is shown is shown."""
        try:
            return collect(self.front, turn, self.retention, now).keys, ()
        except (PublisherConflictError, DocumentError) as error:
            return (), (f"old generations were not removed: {error}",)

    def roll_back(self, hold: Hold) -> SiteStatus:
        """Make a kept generation live, and hold it there."""
        with self._turn() as turn:
            record = turn.ledger.generation(hold.generation)
            if record is None or record.removed:
                raise _no_such(hold.generation, turn.ledger)
            if manifest_at(self.front, hold.generation) is None:
                raise _not_whole(hold.generation)
            pages = self.front.pages(hold.generation)
            ledger = self.front.about_to_show(replace(turn.ledger, hold=hold), pages)
            turn.write(ledger.towards(hold.generation, hold.since))
            sender = Sender(self.store, turn, lambda _files, _size: None)
            shown = self.front.show(hold.generation, pages, sender)
            turn.write(turn.ledger.arrived(shown.placed, shown.removed, self.front.kind))
            return turn.ledger.status

    def collect(self, retention: Retention, now: str, *, wanted: frozenset[str], delete: bool) -> Collected:
        """Remove (or only name) what no kept generation needs, and what interrupted publications left."""
        if not delete:
            ledger = self.office.read()
            refuse_unknown_pointer(self.store, self.front, ledger)
            return superfluous_objects(self.store, self.front, ledger, retention, now)
        with self._turn() as turn:
            refuse_unknown_pointer(self.store, self.front, turn.ledger)
            return collect(self.front, turn, retention, now, remains=True)

    def observe(self, progress: Progress) -> SiteFacts:
        """What a client gets of all that the live manifest names."""
        live = self.office.read().live
        return self.looker.observe(None if live is None else self.manifest_of(live), progress, live)

    def reconcile(self) -> tuple[int, tuple[Finding, ...]]:
        """Compare the books with a listing, once more where somebody changed both meanwhile."""
        for _ in range(_LOOKS):
            ledger = self.office.read()
            found = self._books_gone(ledger) or reconcile(self.store, ledger, self.front)
            if not found[1] or self.office.read() == ledger:
                break
        return found

    def _books_gone(self, ledger: Ledger) -> tuple[int, tuple[Finding, ...]] | None:
        """A finding where the books know of nothing, while clients are shown something."""
        shown = None if ledger.shown else self.front.pointer(ledger)
        if shown is None:
            return None
        problem = f"missing, while clients are shown generation {shown}: restore an earlier version of it"
        return 1, (Finding("bucket", LEDGER, problem),)

    def for_installers(self, facts: SiteFacts) -> AbstractContextManager[str]:
        """Where an installer finds the site."""
        return self.looker.for_installers(facts)

    @contextmanager
    def _turn(self) -> Iterator[Turn]:
        turn = self.office.open()
        try:
            if not self.front.one_step:
                turn.refuse_overlap()
            yield turn
        finally:
            turn.close()


@dataclass
class _Step:
    """One publication, from what is missing to what clients see."""

    site: BucketSite
    publication: Publication
    sender: Sender
    skipped: int = 0

    def run(self) -> tuple[int, Shown]:
        """The generation that is shown now, and what it took to show it."""
        turn, pages = self.sender.turn, self.publication.pages_with_manifest
        turn.refuse_races(set(packages_of(self.publication.manifest.files)), _WINDOW)
        number = self._begun(turn.ledger)
        if number is None:
            number = self._stage(turn, pages)
        shown = self.site.front.show(number, pages, self.sender)
        turn.write(turn.ledger.arrived(shown.placed, shown.removed, self.site.front.kind))
        return number, shown

    def _begun(self, ledger: Ledger) -> int | None:
        """The generation of an interrupted switch, if it is what is to be published now."""
        record = ledger.generation(ledger.switching) if ledger.switching is not None else None
        if record is None or record.removed or record.manifest != self.publication.manifest.digest:
            return None
        return record.number

    def _stage(self, turn: Turn, pages: Pages) -> int:
        """Packages, then pages where nobody looks, then the books: from there on it exists."""
        number = unused_number(self.site.store, self.site.front, turn.ledger)
        turn.write(turn.ledger.reserved(number))
        packages = self._send_packages(turn.ledger)
        self.site.front.stage(number, pages, self.sender)
        record = record_of(number, self.publication.manifest, self.publication.provenance)
        turn.write(self.site.front.about_to_show(turn.ledger, pages).committed(record, packages))
        return number

    def _send_packages(self, ledger: Ledger) -> Mapping[str, Stored]:
        """Those that the bucket has not; one that is there although the books do not know it is looked at."""
        manifest = self.publication.manifest
        uploads = package_uploads(manifest, self.publication.packages, ledger.packages)
        self.skipped = len(packages_of(manifest.files)) - len(uploads)
        self.publication.brought(upload.key for upload in uploads)
        stored = self.sender.send(uploads, self.sender.turn.absent)
        return {upload.key: stored[upload.key] or self._adopted(upload) for upload in uploads}

    def _adopted(self, upload: Upload) -> Stored:
        """What an interrupted publication left is taken, if its bytes are right."""
        there = self.site.store.inspect(upload.key)
        if there is None:
            raise CloudError(f"{upload.key}: was there and is gone", hint="try again", key=upload.key)
        if there.sha256 != upload.sha256:
            raise other_bytes(upload.key, there.sha256, upload.sha256)
        self.skipped += 1
        return there


def _not_whole(number: int) -> DocumentError:
    return DocumentError(
        f"generation {number}: its manifest cannot be read: it is not shown",
        hint="'mirror-pipeline verify' says what is wrong",
        document=f"generation {number}",
    )


def _no_such(number: int, ledger: Ledger) -> UsageError:
    kept = [one.number for one in ledger.generations if not one.removed]
    return UsageError(
        f"generation {number} is not there", hint=f"kept: {', '.join(map(str, kept)) or 'none'}"
    )
