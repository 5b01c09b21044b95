"""Pages, feeds and catalogue files of the sample's video site, as text.

A page says what it shows as JSON-LD, from which yt-dlp's generic extractor takes title, length, date and the address
of the media as they are. From an `<audio>` element it would make up an id and a title of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any


@dataclass(frozen=True)
class Item:
    """One video as its page and the lists show it; `seconds` as they promise, whatever is there."""

    title: str
    url: str
    media_url: str
    seconds: float
    published: date


def page(item: Item, channel: str) -> bytes:
    """The page of one video."""
    facts = {
        "@context": "https://schema.org",
        "@type": "AudioObject",
        "name": item.title,
        "contentUrl": item.media_url,
        "duration": f"PT{item.seconds:g}S",
        "uploadDate": item.published.isoformat(),
        "author": {"@type": "Organization", "name": channel},
    }
    # a title may hold "</script>"; as an escape of JSON it ends no element
    embedded = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    title = escape(item.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta property="og:title" content="{title}">
<script type="application/ld+json">{embedded}</script>
</head>
<body>
<h1>{title}</h1>
<p>{escape(channel)}, {item.published.isoformat()} &middot; <a href="{escape(item.media_url)}">listen</a></p>
</body>
</html>
""".encode()


def feed(name: str, url: str, items: Sequence[Item], *, guids: bool = False) -> bytes:
    """An RSS channel, in the order given."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">',
        f"<channel><title>{escape(name)}</title><link>{escape(url)}</link>",
        "<description>Made for tests and the demo.</description>",
    ]
    for item in items:
        lines += [
            "<item>",
            f"<title>{escape(item.title)}</title>",
            f"<link>{escape(item.url)}</link>",
            *([f"<guid>{escape(item.url)}</guid>"] if guids else []),
            f"<pubDate>{item.published:%a, %d %b %Y} 09:00:00 +0000</pubDate>",
            f"<itunes:duration>{round(item.seconds)}</itunes:duration>",
            "</item>",
        ]
    return "\n".join([*lines, "</channel></rss>", ""]).encode()


def catalogue_file(content: Mapping[str, Any], *, about: str) -> bytes:
    """A file of the catalogue, with a line at its head that says what it is."""
    import yaml

    # None: the innermost lists and mappings on one line each, as people write them
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)
    return f"# {about}\n{text}".encode()
