"""Recordings from addresses on the web: list them, fetch them one by one, keep a working copy of each.

yt-dlp finds and transfers the best audio stream as it is served; this project decodes it. The client and its options
are in `client`, one transfer in `transfer`, what failures mean in `errors`, ids in `web_ids`. Which recordings to
fetch, and the rows they become, is for the tiers.
"""

from crescendai_assets.sources.download.downloader import Acquired, Downloader, Wanted
from crescendai_assets.sources.download.errors import Blocked, FetchError
from crescendai_assets.sources.download.js_runtime import NO_JS_RUNTIME, find_js_runtime
from crescendai_assets.sources.download.listing import Entry
from crescendai_assets.sources.download.settings import DownloadSettings, settings_from
from crescendai_assets.sources.download.web_ids import canonical_url, video_id

__all__ = [
    "NO_JS_RUNTIME",
    "Acquired",
    "Blocked",
    "DownloadSettings",
    "Downloader",
    "Entry",
    "FetchError",
    "Wanted",
    "canonical_url",
    "find_js_runtime",
    "settings_from",
    "video_id",
]
