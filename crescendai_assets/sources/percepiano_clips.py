"""T1's audio: a folder with one file a rated segment, read in place, and one row a clip that can be embedded.

A clip is recording and segment in one: it is embedded as a whole, however long it is, because it was rated as a whole.
Which segments are rated, and which of them a file's name means, is given by who calls (`labels.clips`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.audio.guarded import GuardedProcess, guarded_map
from crescendai_assets.audio.segments import Analysis, SegmentRule, analyse
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import CLIPS
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.in_place import audio_files, hashed, name_fault, version_of
from crescendai_assets.sources.locate import committed_recordings, known_rows
from crescendai_assets.sources.segmenting import DECODERS

SHORTEST, LONGEST = 4.0, 600.0
"""Seconds of a clip. PercePiano's last 4 to 94 s; what is longer than ten minutes is no clip but a recording."""

CLIP_RULE = SegmentRule(segment_duration=3600.0, min_duration=SHORTEST, max_recording=3600.0)
"""How a clip is decoded: whole. What is decoded ends at an hour, so that a length can be told and refused in words."""

NAMED = 50
"""Clips that a report names."""

_VERSION = 1
"""Raise when decoding or measuring changes what a row says."""


def audio_folder(audio: str = "", folder: str = "", environ: Mapping[str, str] = os.environ) -> Path | None:
    """The clips' audio: `audio` (`$PERCEPIANO_AUDIO`), else `audio/` of `folder` (`$PERCEPIANO_DIR`) if it is there.

    Raises:
        SetupError: The first is set and is no folder.
    """
    if text := audio or environ.get("PERCEPIANO_AUDIO", ""):
        chosen = Path(text).expanduser().absolute()
        if not chosen.is_dir():
            raise SetupError(f"PERCEPIANO_AUDIO is {text}: no such folder")
        return chosen
    text = folder or environ.get("PERCEPIANO_DIR", "")
    beside = Path(text).expanduser().absolute() / "audio"
    return beside if text and beside.is_dir() else None


@dataclass(frozen=True)
class ClipListing:
    """What a folder holds of the rated segments.

    Attributes:
        root: The folder; None when there is none.
        files: Segment -> path of its file below the folder.
        doubled: Segment -> paths, where several files are of one.
        unknown: Files that are of no rated segment.
        without_file: Rated segments that have none.
    """

    root: Path | None
    files: Mapping[str, str] = field(default_factory=dict)
    doubled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    without_file: tuple[str, ...] = ()

    def wanted(self) -> dict[str, str]:
        """Segment -> fingerprint its row should have: where its file is, and what tells that it changed."""
        return {key: self.mark(name, version_of(self._folder / name)) for key, name in self.files.items()}

    def unusable(self) -> dict[str, RecordingError]:
        """Segments that several files claim."""
        return {
            key: RecordingError(f"{self.root}: {' and '.join(names)} are both of {key}; keep one", "needs_user")
            for key, names in self.doubled.items()
        }

    @staticmethod
    def mark(name: str, version: Mapping[str, Any]) -> str:
        """The fingerprint of a file as it was when it was looked at."""
        return fingerprint(_VERSION, name, {k: version[k] for k in ("bytes", "mtime_ns") if k in version})

    @property
    def facts(self) -> dict[str, Any]:
        """Counts, and the first names of what does not match."""
        counted = {"rated_without_file": self.without_file, "files_of_no_rated_segment": self.unknown}
        facts: dict[str, Any] = {"audio_folder": str(self.root) if self.root else "none"}
        for name, found in counted.items():
            facts[name] = len(found)
            if found:
                facts[f"names_of_{name}"] = ", ".join(found[:NAMED]) + (" ..." if len(found) > NAMED else "")
        return facts

    @property
    def _folder(self) -> Path:
        assert self.root is not None  # without a folder there are no files
        return self.root


def list_clips(root: Path | None, rated: Collection[str], key_of: Callable[[str], str]) -> ClipListing:
    """Which file of a folder, or of folders in it, is of which rated segment.

    Args:
        root: The folder; None when none is given.
        rated: Segments that have a label.
        key_of: The segment that the stem of a file name means.

    Raises:
        SetupError: The folder holds recordings, and none of a rated segment.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    unknown: list[str] = []
    known = set(rated)
    for name in audio_files(root) if root else ():
        key = key_of(Path(name).stem)
        if key in known and not name_fault(name):
            found[key].append(name)
        else:
            unknown.append(name.encode(errors="backslashreplace").decode())
    if unknown and not found:
        raise SetupError(
            f"{root}: none of its {len(unknown)} recordings is of a rated segment, the first is {unknown[0]}; files "
            "are named as their labels, such as Schubert_D960_mv2_8bars_1_05.wav"
        )
    return ClipListing(
        root,
        {key: names[0] for key, names in sorted(found.items()) if len(names) == 1},
        {key: tuple(names) for key, names in sorted(found.items()) if len(names) > 1},
        tuple(unknown),
        tuple(sorted(known - found.keys())),
    )


def collect_clips(
    partition: Partition, listing: ClipListing, *, options: Options = Options(), progress: Progress = silent
) -> StageReport:
    """Hash and measure every clip that is new or changed; nothing is copied.

    Args:
        partition: The tier as a whole.
        listing: What is there. Without a folder the rows stay as they are.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: Another process works here, or the disk is full.
    """

    def work(run: StageRun) -> None:
        known = known_rows(partition)

        def one(worker: GuardedProcess, key: str) -> Row:
            assert listing.root is not None
            return clip_row(worker, listing.root, key, listing.files[key], known.get(key))

        for key, outcome in guarded_map(one, list(run.plan.pending), DECODERS):
            if isinstance(outcome, RecordingError):
                run.fail(key, outcome)
            else:
                run.commit(key, [outcome], outcome["duration_seconds"])

    return run_stage(
        partition,
        "clips",
        CLIPS,
        wanted=lambda: wanted_clips(partition, listing),
        committed=lambda: committed_recordings(partition),
        work=work,
        options=options,
        progress=progress,
        unusable=listing.unusable if listing.root else None,
        facts=lambda: {**clip_facts(partition), **listing.facts},
    )


def wanted_clips(partition: Partition, listing: ClipListing) -> dict[str, str]:
    """Segment -> fingerprint its row should have; the one it has, while no folder is given."""
    return listing.wanted() if listing.root else committed_recordings(partition)


def clip_row(worker: GuardedProcess, root: Path, key: str, name: str, before: Row | None) -> Row:
    """The row of a clip; it is decoded unless its bytes are those of its row.

    Args:
        worker: Decodes.
        root: The folder.
        key: The segment.
        name: Path of its file below the folder.
        before: Its row, if it has one.

    Raises:
        RecordingError: It is gone, cannot be decoded, is silent, too short or too long.
    """
    audio = hashed(root, name, before if before and before["audio_path"] == name else None)
    mark = ClipListing.mark(name, audio)
    if before and before["sha256"] == audio["sha256"] and before["decoded_as"] == _VERSION:
        return {**before, **audio, "fingerprint": mark}  # only touched or renamed
    path = root / name
    return {
        "segment_id": key,
        "recording_id": key,
        **audio,
        **_measured(path, worker.call(analyse, path, CLIP_RULE, what=str(path))),
        "source_sha256": audio["sha256"],
        "fingerprint": mark,
    }


def _measured(path: Path, found: Analysis) -> Row:
    """A row's columns that follow from the sound."""
    if found.seconds < SHORTEST:
        raise RecordingError(f"{path}: lasts {found.seconds:.1f} s, less than {SHORTEST:g} s; is it the whole clip?")
    if found.seconds > LONGEST:
        raise RecordingError(
            f"{path}: lasts {found.seconds / 60:.1f} min, a clip at most {LONGEST / 60:g}; cut it to the rated segment"
        )
    if not found.segments:
        raise RecordingError(f"{path}: is silence (RMS below {CLIP_RULE.min_rms}); give the clip's own recording")
    (clip,) = found.segments
    return {
        "duration_seconds": round(found.seconds, 6),
        "segment_start": 0.0,
        "segment_end": clip.stop / SAMPLE_RATE,
        "n_valid": clip.stop,
        "rms": round(clip.rms, 6),
        "pcm_hash": found.pcm_hash,
        "native_rate": found.native_rate,
        "channels": found.channels,
        "clipped_share": round(found.clipped_share, 6),
        "zero_tail_seconds": round(found.zero_tail_seconds, 3),
        "decoded_as": _VERSION,
    }


def clip_facts(partition: Partition) -> dict[str, Any]:
    """Hours, lengths, and clips of the same sound under several names."""
    rows = list(read_rows(partition.stage("clips").table))
    seconds = [row["duration_seconds"] for row in rows]
    return {
        "hours_of_audio": round(sum(seconds) / 3600, 3),
        "shortest_seconds": round(min(seconds, default=0.0), 2),
        "longest_seconds": round(max(seconds, default=0.0), 2),
        "of_the_same_sound": len(rows) - len({row["pcm_hash"] for row in rows}),
    }
