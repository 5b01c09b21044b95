"""Downloading with no web in between: all that acquiring a recording costs besides its transfer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from crescendai_assets.bench.corpus import write_noise
from crescendai_assets.bench.measure import Figure, Target, seconds

KINDS = {"m4a": ("aac", 44_100), "webm": ("libopus", 48_000)}
"""What video sites serve: suffix -> codec and rate."""


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """How many times real time a recording is acquired from a server on this machine, by yt-dlp, on one core.

    The transfer over loopback is in it, so that the truth is a little better.
    """
    length = 30 if quick else 900
    site = folder / "site"
    site.mkdir()
    write_noise(folder / "sound.wav", length, channels=1)
    for suffix in KINDS:
        _encode(folder / "sound.wav", site / f"take.{suffix}")
    with _served(site) as address:
        for suffix in KINDS:
            taken = [
                seconds(partial(_acquire, folder, f"{address}/take.{suffix}", n)) for n in range(2 if quick else 4)
            ]
            yield Figure(
                f"acquire.{suffix}",
                f"acquiring a recording ({suffix}) with yt-dlp from loopback: look up, transfer, decode, write the "
                "working copy; its length over the time",
                length / min(taken[1:]),
                Target("at least", 200),
                facts={"seconds_of_audio": length, "seconds": [round(t, 3) for t in taken[1:]]},
            )


def _acquire(folder: Path, url: str, number: int) -> None:
    from crescendai_assets.lake.errors import RecordingError
    from crescendai_assets.sources.download import Downloader, DownloadSettings, Wanted

    downloader = Downloader(DownloadSettings(sleep_seconds=(0, 0)), folder / "quota.jsonl")
    order = Wanted("take", url, folder / "audio" / f"take{number}.wav")
    for _, outcome in downloader.fetch_all([order], folder / "partial"):
        if isinstance(outcome, RecordingError):
            raise outcome


def _encode(source: Path, target: Path) -> None:
    import av
    import soundfile
    import soxr

    codec, rate = KINDS[target.suffix.removeprefix(".")]
    sound, native = soundfile.read(source, dtype="float32")
    sound = soxr.resample(sound, native, rate)
    with av.open(str(target), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.layout, stream.bit_rate = "mono", 128_000
        for start in range(0, len(sound), 960):
            piece = sound[None, start : start + 960].copy()
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has seen enough hangs up; that is no error."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
