"""Sending what the address lacks, under a manifest that lists what it has, and comparing the two.

The manifest never claims what is not there: a file about to be replaced leaves it first, a file that was sent enters
it after, so a run killed at any instant resumes from its last checkpoint. Embeddings go before the tables that name
them. What may leave is decided in `publishable`, an address is reached in `target`, assets are in `defs`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.fingerprints import digest_lines
from crescendai_assets.lake.journal import locked
from crescendai_assets.lake.layout import CACHES, Lake, Partition, Tier
from crescendai_assets.lake.publishable import MANIFEST_FILE, Plan, decode_manifest, encode_manifest, plan_publish
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.lake.tables import Row
from crescendai_assets.lake.target import Target, UnreachableError, open_target
from crescendai_assets.lake.verify import Outcome, outcome

CHECKPOINT_SECONDS = 30.0  # so much work at most is done again after a kill
_IN_A_ROW = 3


@dataclass(frozen=True)
class PublishOptions:
    """What a user may ask of one publication.

    Attributes:
        prune: Remove from the address what was published once and is no longer here.
        backoff: Seconds before the second try of a request; each further one waits twice as long.
    """

    prune: bool = False
    backoff: float = 1.0


@dataclass(frozen=True)
class PublishFailure:
    """A file that should be at the address and is not, or not as it is here."""

    path: str
    message: str


@dataclass(frozen=True)
class PublishReport:
    """What one publication did, and what stands at the address now.

    Attributes:
        address: Where, without user and password.
        files, bytes: What should be there.
        sent, sent_bytes: What of it this run sent.
        unchanged: Files that were there already.
        removed, pruned: Files there that are no longer here, and how many of them this run removed.
        failures: Files that could not be sent or were held back, by path.
        digest: Content hash of what is here and at the address.
        seconds: Wall time.
        tiers: Files that should be there, by tier.
    """

    address: str
    files: int
    bytes: int
    sent: int
    sent_bytes: int
    unchanged: int
    removed: int
    pruned: int
    failures: tuple[PublishFailure, ...]
    digest: str
    seconds: float
    tiers: Mapping[str, int]

    @property
    def hopeless(self) -> bool:
        """There was something to send and none of it arrived."""
        return bool(self.failures) and not self.sent

    def summary(self) -> str:
        """One line for the log."""
        gone = f", {self.removed} there are no longer here ({self.pruned} removed)" if self.removed else ""
        if not (self.sent or self.failures):
            return f"up to date: {self.files} files at {self.address}, nothing sent{gone}"
        return (
            f"{self.sent} files sent ({self.sent_bytes / 1e6:.1f} MB), {self.unchanged} were there, "
            f"{len(self.failures)} failed{gone}; {self.seconds:.1f} s"
        )


def publish(
    lake: Lake, address: str, options: PublishOptions | None = None, *, progress: Progress = silent
) -> PublishReport:
    """Send what the address lacks, and list there what it has.

    Args:
        lake: What to publish.
        address: Any fsspec URL, or a folder.
        options: Pruning and pace.
        progress: Gets lines for the log.

    Raises:
        SetupError: The address cannot be used or fails again and again, another process publishes this lake, or
            pruning would leave nothing; what was sent is kept.
    """
    options = options or PublishOptions()
    target = open_target(address, lake, options.backoff)
    plan = plan_publish(lake)
    if options.prune and not plan.files:
        raise SetupError(f"{lake.root}: there is nothing to publish, so pruning would empty {target.shown}")
    lock = Partition(Tier("", lake.root.parent), lake.root.name).stage("publish")  # journal/publish.lock in the root
    with locked(lock, "the publication"):
        report = _Sending(lake, target, plan, progress).run(prune=options.prune)
    progress(report.summary())
    return report


def check_published(lake: Lake, address: str, *, deep: bool = False) -> Outcome:
    """What is at the address is what is here: by manifest and sizes of all files, deep by their contents.

    Args:
        lake: What should be published.
        address: Where.
        deep: Read all files at the address.

    Raises:
        SetupError: The address cannot be used, or what lies there is no publication.
    """
    target = open_target(address, lake, PublishOptions().backoff)
    plan = plan_publish(lake)
    manifest = decode_manifest(target.read(MANIFEST_FILE) or b"", target.shown)
    faults = plan.refused | target.lost({path: file.bytes for path, file in manifest.items()})
    for path, wanted in plan.files.items():
        if path not in manifest:
            faults[path] = "not published"
        elif manifest[path] != wanted:
            faults[path] = "has changed here since it was published"
        elif deep and path not in faults and hashlib.sha256(target.read(path) or b"").hexdigest() != wanted.sha256:
            faults[path] = "contents at the address are not those sent"
    no_longer_here = len(manifest.keys() - plan.files.keys())
    facts = {"address": target.shown, "files": len(plan.files), "no_longer_here": no_longer_here, "deep": deep}
    rows: list[Row] = [{"id": path, "fault": fault} for path, fault in sorted(faults.items())]
    good = f"{len(plan.files)} files at {target.shown} are those here" + (", contents read" if deep else "")
    return outcome(rows, good, f"files at {target.shown} are not as here: publish again", facts)


class _Sending:
    """The work in progress: files go out one by one and enter the manifest as they arrive."""

    def __init__(self, lake: Lake, target: Target, plan: Plan, progress: Progress) -> None:
        self._lake, self._target, self._plan, self._progress = lake, target, plan, progress
        self._started = self._listed_at = time.monotonic()
        self._listed = target.read(MANIFEST_FILE) or b""
        self._manifest = decode_manifest(self._listed, target.shown)
        self._sent: set[str] = set()
        self._failures = dict(plan.refused)

    def run(self, *, prune: bool) -> PublishReport:
        files, manifest = self._plan.files, self._manifest
        for path in self._target.lost({path: file.bytes for path, file in manifest.items()}):
            del manifest[path]
        todo = [path for path, file in files.items() if manifest.get(path) != file]
        self._progress(f"{len(todo)} of {len(files)} files to send ({self._plan.size(todo) / 1e6:.1f} MB)")
        for path in todo:
            manifest.pop(path, None)
        self._list_files()
        removed = sorted(manifest.keys() - files.keys())
        try:
            self._send([path for path in todo if files[path].table])
            self._send([path for path in todo if not files[path].table and not self._held(path)])
            prune = prune and not self._failures  # a table that failed may still name what is no longer here
            for path in removed if prune else ():
                self._target.remove(path)
                del manifest[path]
        finally:  # a stop by hand must not lose what was sent either
            self._list_files()
        there = (f"{path} {file.sha256}" for path, file in sorted(files.items()) if manifest.get(path) == file)
        return PublishReport(
            address=self._target.shown,
            files=len(files),
            bytes=self._plan.size(files),
            sent=len(self._sent),
            sent_bytes=self._plan.size(self._sent),
            unchanged=len(files) - len(todo),
            removed=len(removed),
            pruned=len(removed) if prune else 0,
            failures=tuple(PublishFailure(*failure) for failure in sorted(self._failures.items())),
            digest=digest_lines(there),
            seconds=time.monotonic() - self._started,
            tiers={tier: sum(path.startswith(f"{cache}/") for path in files) for tier, cache in CACHES.items()},
        )

    def _send(self, paths: list[str]) -> None:
        in_a_row = 0
        for path in paths:
            try:
                self._target.write(path, self._contents(path))
            except (RecordingError, UnreachableError) as error:
                self._fail(path, str(error))
                in_a_row += isinstance(error, UnreachableError)
                if in_a_row == _IN_A_ROW:
                    raise SetupError(f"{in_a_row} files in a row could not be sent; the last: {error}") from error
                continue
            self._manifest[path] = self._plan.files[path]
            self._sent.add(path)
            in_a_row = 0
            if time.monotonic() - self._listed_at >= CHECKPOINT_SECONDS:
                self._list_files()
                sent = self._plan.size(self._sent)
                self._progress(f"{len(self._sent)} of {len(paths)} files sent ({sent / 1e6:.0f} MB)")

    def _contents(self, path: str) -> bytes:
        """What a file holds, if that is what was planned: it is known to be right before its first byte leaves."""
        wanted = self._plan.files[path]
        try:
            data = (self._lake.root / path).read_bytes()
        except OSError as error:
            raise RecordingError(f"cannot be read here ({error.strerror}); make it again, then publish") from error
        if (len(data), hashlib.sha256(data).hexdigest()) != (wanted.bytes, wanted.sha256):
            said = f"what {wanted.table} says; make it again, then" if wanted.table else "what it was a moment ago;"
            raise RecordingError(f"its contents are not {said} publish again")
        return data

    def _held(self, path: str) -> bool:
        """Whether a table has to wait, because embeddings that it may name could not be sent."""
        folder = path.rpartition("/")[0] + "/"
        absent = sum(p in self._plan.files and self._plan.files[p].table.startswith(folder) for p in self._failures)
        if absent:
            self._fail(path, f"held back: {absent} of the files it may name could not be sent")
        return bool(absent)

    def _list_files(self) -> None:
        """Write the manifest, if the one at the address is another."""
        data = encode_manifest(self._manifest)
        if data != self._listed:
            self._target.write(MANIFEST_FILE, data)
        self._listed, self._listed_at = data, time.monotonic()

    def _fail(self, path: str, why: str) -> None:
        self._failures[path] = why
        self._progress(f"failed: {path}: {why}")
