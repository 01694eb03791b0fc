"""Where documents, wheels and reports are kept, as configured: on this machine's disk, or in a bucket."""

from __future__ import annotations

from dataclasses import replace

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.documents import DirectoryDocuments, Documents
from mirror_pipeline.adapters.object_documents import ObjectDocuments
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.remote_store import RemoteWheelStore
from mirror_pipeline.adapters.reports import DirectoryReports, ObjectReports, Reports
from mirror_pipeline.adapters.s3_objects import S3Objects
from mirror_pipeline.adapters.store import Store, WheelStore
from mirror_pipeline.domain.cloud import StorePlace
from mirror_pipeline.settings import Settings

Kept = tuple[Documents, Store, Reports]


def kept(settings: Settings) -> Kept:
    """The three of them; makes no directory and no connection."""
    home, place = settings.home, settings.store
    if place is not None:
        return kept_in(S3Objects(Aws(replace(settings.cloud, bucket=place.bucket))), place, settings)
    return DirectoryDocuments(home / "documents"), WheelStore(home), DirectoryReports(home / "reports")


def kept_in(objects: ObjectStore, place: StorePlace, settings: Settings) -> Kept:
    """The three of them in a bucket."""
    home, folder_is_site = settings.home, settings.cloud.mode == "directory"
    return (
        ObjectDocuments(objects, place.key("documents/")),
        RemoteWheelStore(home, objects, place.key("packages/"), folder_is_site=folder_is_site),
        ObjectReports(home / "reports", objects, place.key("reports/")),
    )
