"""RSS feeds, as channels and playlists that yt-dlp reads from a plain web server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape


def write_feed(path: Path, items: Sequence[tuple[str, str]], title: str = "A channel") -> None:
    """Write a feed of (title, address)."""
    entries = "".join(f"<item><title>{escape(t)}</title><link>{escape(url)}</link></item>" for t, url in items)
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>{escape(title)}</title>'
        f"<link>{escape(items[0][1]) if items else 'http://a.example/'}</link><description>-</description>"
        f"{entries}</channel></rss>",
        encoding="utf-8",
    )
