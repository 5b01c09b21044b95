"""Resources of what is collected: the catalogue of competitions, channels and composites, and how the web is asked.

Each only opens what `sources` and `labels` offer; the lake, the encoder and datasets at hand are `resources`'.
"""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.labels.taxonomy import Taxonomy, read_taxonomy
from crescendai_assets.lake.layout import Partition
from crescendai_assets.sources.catalogue_yaml import CATALOGUE_VARIABLE
from crescendai_assets.sources.channels import Channels, read_channels
from crescendai_assets.sources.competitions import Competitions, LocalFolder, catalogue_folders, read_competitions
from crescendai_assets.sources.download import Downloader, settings_from
from crescendai_assets.sources.locate import AudioFiles


class CatalogueResource(dg.ConfigurableResource):
    """Which competitions, channels and composites there are: the shipped catalogue, and the user's own beside it."""

    folder: str = ""
    """The user's catalogue; empty for `$CRESCENDAI_CATALOG`."""

    def competitions(self) -> Competitions:
        """Editions, and faults of their files."""
        return read_competitions(self._folders())

    def channels(self) -> Channels:
        """Channels in catalogue order, and faults of their entries."""
        return read_channels(self._folders())

    def taxonomy(self) -> Taxonomy:
        """What composite labels are made of.

        Raises:
            SetupError: The file has faults; each is named with its line.
        """
        return read_taxonomy(self._folders())

    def audio(self, partition: Partition) -> AudioFiles:
        """Where recordings of an edition or channel are decoded from."""
        return AudioFiles(partition.tier, self._source_folder(partition))

    def _source_folder(self, partition: Partition) -> Path | None:
        """The folder that an edition or channel is read from in place; None when it is downloaded, or not listed."""
        if partition.tier.name == "competition":
            edition = self.competitions().editions.get(partition.key)
            return edition.recordings.path if edition and isinstance(edition.recordings, LocalFolder) else None
        return next((c.folder for c in self.channels().channels if c.key == partition.key), None)

    def _folders(self) -> list[Path]:
        environ = {**os.environ, **({CATALOGUE_VARIABLE: self.folder} if self.folder else {})}
        return list(catalogue_folders(environ))


class DownloadResource(dg.ConfigurableResource):
    """How the web is asked: gently. Empty fields mean the environment, then the defaults of `DownloadSettings`."""

    cookies_file: str = ""
    """Cookies exported from a browser, for what wants a sign-in; empty for `$CRESCENDAI_COOKIES`."""
    cookies_from_browser: str = ""
    """A browser to take cookies from, such as `firefox`; empty for `$CRESCENDAI_COOKIES_BROWSER`."""
    proxy: str = ""
    """Address of a proxy; empty for `$CRESCENDAI_PROXY`."""
    sleep_seconds: list[float] = Field(default_factory=list)
    """Least and most seconds between two downloads; empty for `$CRESCENDAI_DOWNLOAD_SLEEP`, else 10 to 20."""
    daily_quota: int | None = None
    """Downloads a day, all partitions together; empty for `$CRESCENDAI_DOWNLOAD_QUOTA`, else without limit."""
    max_megabytes: float | None = None
    """Largest transfer; empty for `$CRESCENDAI_DOWNLOAD_MAX_MB`, else 500."""
    max_hours: float | None = None
    """Longest recording; empty for `$CRESCENDAI_DOWNLOAD_MAX_HOURS`, else 4."""
    audio_format: str = ""
    """Of working copies, `wav` or `flac`; empty for `$CRESCENDAI_AUDIO_FORMAT`, else `wav`."""

    def open(self, lake: LakeResource) -> Downloader:
        """The downloader; nothing is reached yet.

        Raises:
            SetupError: A setting has no use; it is named.
        """
        settings = settings_from(
            cookies_file=Path(self.cookies_file).expanduser() if self.cookies_file else None,
            cookies_from_browser=self.cookies_from_browser or None,
            proxy=self.proxy or None,
            sleep_seconds=tuple(self.sleep_seconds) or None,
            daily_quota=self.daily_quota,
            max_bytes=round(self.max_megabytes * 1e6) if self.max_megabytes else None,
            max_seconds=self.max_hours * 3600 if self.max_hours else None,
            audio_format=self.audio_format or None,
        )
        return Downloader(settings, lake.folder() / "download_quota.jsonl")
