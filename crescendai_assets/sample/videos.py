"""What is on the sample's video site: two channels and the playlist of a competition, with faults as the web has them.

Decides which videos there are, who plays in them and what is wrong with them, and writes all of it to a folder.
Sound is made in `video_sound`, pages and catalogue files in `video_pages`; `site` serves the folder and knows only
its index.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from crescendai_assets.sample import keeping, performers, pieces, synth, video_pages, video_sound
from crescendai_assets.sample.site import HOST, INDEX
from crescendai_assets.sample.video_pages import Item
from crescendai_assets.sample.video_sound import TYPES, Sound

Fault = Literal["", "gone", "slow", "breaks off", "no audio"]

_SLOW_SECONDS = 2.0
_BREAKS_OFF_AT = 0.4  # of the file
_NEWEST = date(2024, 6, 30)
_PICTURE = "media/picture.png"
_HTML, _RSS = "text/html; charset=utf-8", "application/rss+xml; charset=utf-8"


@dataclass(frozen=True)
class SampleVideo:
    """One video of the site.

    Attributes:
        name: Last part of its address.
        title: As its page and the lists have it.
        sound: What is heard in it, or what its lists promise where there is nothing to hear.
        fault: `gone` (404), `slow` (some seconds, and whole), `breaks off` (always at the same place), `no audio` (a
            picture under the name of an audio file); empty when nothing is wrong.
        performer: In a competition, the performer as in the results; empty for a title that names none for sure.
        round: In a competition, the round.
    """

    name: str
    title: str
    sound: Sound
    fault: Fault = ""
    performer: str = ""
    round: str = ""

    @property
    def url(self) -> str:
        """Address of its page."""
        return f"http://{HOST}{self.page}"

    @property
    def page(self) -> str:
        """Path of its page."""
        return f"/watch/{self.name}"

    @property
    def media(self) -> str:
        """Path of its media."""
        return f"/media/{self.name}.{self.sound.kind}"

    @property
    def obtainable(self) -> bool:
        """Whether its sound can be had, given time."""
        return self.fault in ("", "slow")


@dataclass(frozen=True)
class SampleList:
    """A channel or playlist.

    Attributes:
        key: Key of its partition.
        name: As people call it.
        path: Of its feed.
        videos: Newest first.
        guids: Whether its feed gives every item a guid, as those of podcasts do; yt-dlp then adds a fragment to their
            addresses.
    """

    key: str
    name: str
    path: str
    videos: tuple[SampleVideo, ...]
    guids: bool = False

    @property
    def url(self) -> str:
        """Address of its feed."""
        return f"http://{HOST}{self.path}"

    def video(self, name: str) -> SampleVideo:
        """The video of that name."""
        return next(video for video in self.videos if video.name == name)


@dataclass(frozen=True)
class Entrant:
    """One line of the competition's results; a finalist without a place is eliminated in the final."""

    performer: str
    country: str
    placement: int | None = None
    eliminated_in: str | None = None


@dataclass(frozen=True)
class SampleVideos:
    """What `write_videos` left on disk.

    Attributes:
        root: Folder for `site.serve_site`.
        catalog: Catalogue folder that names the channels and the competition (`CRESCENDAI_CATALOG`).
        channels: In the catalogue's order.
        competition: The recordings of the edition.
        written: Files that this call had to write, relative to the root; empty when all was in place.
    """

    root: Path
    catalog: Path
    channels: tuple[SampleList, ...]
    competition: SampleList
    written: tuple[str, ...]


_PRELUDE = Sound("Ilse Marten", "bach-bwv846", 47.3, "m4a")
_MOONLIGHT = Sound("Noor Haddad", "beethoven-op27-2", 64.8, "webm", channels=2)

_SHARED = SampleVideo(
    "sonata-in-a", "Mozart: Sonata in A major, K. 331 · Juno Park, live", Sound("Juno Park", "mozart-k331", 41.2, "m4a")
)

_PIANO = SampleList(
    "sample-piano",
    "Sample Piano",
    "/channel/sample-piano/feed.xml",
    (
        SampleVideo("prelude-in-c", "Bach: Prelude in C major, BWV 846 | Ilse Marten", _PRELUDE),
        SampleVideo("moonlight", "Beethoven – “Moonlight” Sonata, 1st movement (Noor Haddad)", _MOONLIGHT),
        SampleVideo("interview", "Interview with Ilse Marten: playing Bach on a modern piano", _PRELUDE),
        SampleVideo(
            "minuet-in-g",
            "Petzold, Minuet in G / Tomas Ferreira",
            Sound("Tomas Ferreira", "petzold-anh114", 36.5, "mp3"),
        ),
        _SHARED,
        SampleVideo(
            "fuer-elise",
            "Für Elise 🎹 <script>alert('piano')</script>",
            Sound("Aiko Lind", "beethoven-woo59", 38.4, "webm"),
        ),
        SampleVideo(
            "old-upright",
            "Bruno Castel plays Für Elise on an old upright",
            Sound("Bruno Castel", "beethoven-woo59", 43.7, "mp3"),
            "slow",
        ),
        SampleVideo(
            "encore",
            "Pavel Dorn: Moonlight Sonata, encore",
            Sound("Pavel Dorn", "beethoven-op27-2", 52.0, "m4a"),
            "gone",
        ),
        SampleVideo("broadcast", "Moonlight Sonata from the radio, Noor Haddad", _MOONLIGHT, "breaks off"),
        SampleVideo(
            "programme", "Pavel Dorn: Minuet in G", Sound("Pavel Dorn", "petzold-anh114", 37.0, "m4a"), "no audio"
        ),
    ),
)

_PIANO_TWO = SampleList(
    "sample-piano-two",
    "Sample Piano Two",
    "/channel/sample-piano-two/feed.xml",
    (
        _SHARED,
        SampleVideo("matinee", "Minuet in G, Pavel Dorn", Sound("Pavel Dorn", "petzold-anh114", 39.1, "webm")),
        SampleVideo("prelude-again", "J. S. Bach, Prelude C-Dur (Ilse Marten) HD", _PRELUDE),
    ),
    guids=True,
)

CHANNELS: tuple[SampleList, ...] = (_PIANO, _PIANO_TWO)
"""The channels. The second lists a video of the first, and one that is a video of the first under another address."""

EDITION = "sample2024"
ROUNDS = ("semifinal", "final")

ENTRANTS: tuple[Entrant, ...] = (
    Entrant("Juno Park", "South Korea", placement=1),
    Entrant("Tomás Ferreira", "Portugal", placement=2),
    Entrant("Noor Haddad", "Lebanon", placement=2),
    Entrant("Pavel Dorn", "Czech Republic", eliminated_in="final"),
    Entrant("Aiko Lind", "Japan/Sweden", eliminated_in="semifinal"),
)
"""The results of the competition: two share a place, one finalist has none, one went out before the final."""

_TWO = Sound("Tomas Ferreira", "mozart-k331", 35.6, "mp3")

COMPETITION = SampleList(
    EDITION,
    "Sample Piano Competition 2024",
    "/playlist/sample2024.xml",
    (
        SampleVideo(
            "final-park",
            "PARK Juno – Sonata in A major, K. 331 (final round)",
            Sound("Juno Park", "mozart-k331", 45.9, "webm"),
            performer="Juno Park",
            round="final",
        ),
        SampleVideo(
            "final-ferreira",
            "Tomas Ferreira - Sonata in A major, K. 331 (final)",
            _TWO,
            performer="Tomás Ferreira",
            round="final",
        ),
        SampleVideo(
            "final-haddad",
            "Noor (Nora) Haddad – Prelude in C major, BWV 846 (final round)",
            Sound("Noor Haddad", "bach-bwv846", 38.2, "m4a"),
            performer="Noor Haddad",
            round="final",
        ),
        SampleVideo("laureates", "Interview with the winner: Juno Park after the final", _TWO),
        SampleVideo("encores", "Juno Park and Tomás Ferreira – Minuet in G major (final)", _TWO),
        SampleVideo(
            "semifinal-park",
            "Juno Park – Minuet in G major (semifinal)",
            Sound("Juno Park", "petzold-anh114", 35.4, "m4a"),
            performer="Juno Park",
            round="semifinal",
        ),
        SampleVideo(
            "semifinal-ferreira",
            "Ferreira, Tomás – Für Elise (semi-final)",
            Sound("Tomas Ferreira", "beethoven-woo59", 36.1, "webm"),
            performer="Tomás Ferreira",
            round="semifinal",
        ),
        SampleVideo(
            "semifinal-dorn",
            "Pavel Dorn - Minuet in G major, semi final",
            Sound("Pavel Dorn", "petzold-anh114", 42.3, "m4a"),
            performer="Pavel Dorn",
            round="semifinal",
        ),
        SampleVideo(
            "semifinal-lind",
            "Aiko Lind – Für Elise (Semifinal)",
            Sound("Aiko Lind", "beethoven-woo59", 61.5, "mp3"),
            performer="Aiko Lind",
            round="semifinal",
        ),
    ),
)
"""The playlist of the competition: names and rounds are spelled as uploaders spell them, and all media are good."""


def write_videos(root: Path) -> SampleVideos:
    """Write the site and the catalogue files that name it under `root`.

    The same bytes come out in any process and folder of one machine. A file that is in place is left alone, one that
    is missing or was changed is made again, and no file is ever seen half written.

    Args:
        root: Folder to hold `site.json`, what the site serves, and `catalog/`; made where it is missing.

    Returns:
        What is now under `root`.
    """
    written = keeping.keep(root, _wanted(), _recipe())
    synth.forget_tones()
    return SampleVideos(root, root / "catalog", CHANNELS, COMPETITION, written)


def _lists() -> tuple[SampleList, ...]:
    return (*CHANNELS, COMPETITION)


def _videos() -> dict[SampleVideo, str]:
    """Every video once, with the name of the first list that has it."""
    videos: dict[SampleVideo, str] = {}
    for one in _lists():
        for video in one.videos:
            videos.setdefault(video, one.name)
    return videos


def _wanted() -> dict[str, Callable[[], bytes]]:
    """Path -> what makes its bytes; the index last: it never names files that are not there yet."""
    items = _items()
    wanted: dict[str, Callable[[], bytes]] = {}
    for sound, name in _sound_files().items():
        wanted[name] = partial(video_sound.encoded, sound)
    wanted[_PICTURE] = video_sound.picture
    for video, channel in _videos().items():
        if video.fault != "gone":
            wanted[_page_file(video)] = partial(video_pages.page, items[video], channel)
    for one in _lists():
        in_order = [items[video] for video in one.videos]
        wanted[_feed_file(one)] = partial(video_pages.feed, one.name, one.url, in_order, guids=one.guids)
    wanted |= _catalogue()
    wanted[INDEX] = partial(_json, _index())
    return wanted


def _index() -> dict[str, Any]:
    """What the site serves at which path, and how."""
    files = _sound_files()
    paths: dict[str, dict[str, Any]] = {one.path: {"file": _feed_file(one), "type": _RSS} for one in _lists()}
    for video in _videos():
        if video.fault == "gone":
            continue
        media: dict[str, Any] = {"file": files.get(video.sound, _PICTURE), "type": TYPES[video.sound.kind]}
        if video.fault == "slow":
            media["lasts"] = _SLOW_SECONDS
        elif video.fault == "breaks off":
            media["breaks_off_at"] = _BREAKS_OFF_AT
        paths[video.page] = {"file": _page_file(video), "type": _HTML}
        paths[video.media] = media
    return {"paths": paths}


def _items() -> dict[SampleVideo, Item]:
    """The videos as pages and lists show them; each is published a day before the one above it."""
    return {
        video: Item(
            video.title, video.url, f"http://{HOST}{video.media}", video.sound.seconds, _NEWEST - timedelta(days=days)
        )
        for days, video in enumerate(_videos())
    }


def _sound_files() -> dict[Sound, str]:
    """A file for each sound that can be heard, called after the first video that has it."""
    files: dict[Sound, str] = {}
    for video in _videos():
        if video.fault in ("", "slow", "breaks off"):
            files.setdefault(video.sound, video.media.lstrip("/"))
    return files


def _catalogue() -> dict[str, Callable[[], bytes]]:
    competition = {
        "competition": EDITION.rstrip("0123456789"),
        "year": int(EDITION[-4:]),
        "name": COMPETITION.name,
        "rounds": list(ROUNDS),
        "results": [{k: v for k, v in asdict(one).items() if v is not None} for one in ENTRANTS],
        "recordings": {"playlist": COMPETITION.url},
        "matching": {
            "rounds": {"semifinal": ["semi-final", "semi final"], "final": ["final round"]},
            "exclude": ["interview"],
        },
    }
    channels = {
        "channels": [
            # the recordings are shorter than those that people want from a channel
            {"name": one.name, "url": one.url, "category": "recital", "min_seconds": 20, "exclude": ["interview"]}
            for one in CHANNELS
        ]
    }
    about = "Made on the spot for the demo and for tests: nobody won this competition, and no such site exists."
    return {
        f"catalog/competitions/{EDITION}.yaml": partial(video_pages.catalogue_file, competition, about=about),
        "catalog/channels.yaml": partial(video_pages.catalogue_file, channels, about=about),
    }


def _page_file(video: SampleVideo) -> str:
    return f"pages/{video.name}.html"


def _feed_file(one: SampleList) -> str:
    return f"feeds/{one.key}.xml"


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def _recipe() -> str:
    import av

    encoders = json.dumps({"av": av.__version__, **av.library_versions})  # another encoder writes other bytes
    here = Path(__file__).read_text()
    return keeping.recipe_of(performers, pieces, synth, video_pages, video_sound, also=f"{here} {HOST} {encoders}")
