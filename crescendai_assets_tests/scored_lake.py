"""What tests of `crescendai score` share: a lake with trained models, the command, and how a page is read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from crescendai_assets.audio.decode import save_audio
from crescendai_assets.cli import main
from crescendai_assets.embeddings.identity import IDENTITY_FILE, EncoderSpec, claim_folder, identify
from crescendai_assets.labels.folds import read_folds
from crescendai_assets.lake.layout import Lake
from crescendai_assets.sample import synth
from crescendai_assets.sample.rated_set import played
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.hand_dataset import midi_of_segments, score_path
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.training.rated_lake import make_rated_lake, tiny


def make_scored_lake(root: Path, encoder: Path, s0: int, a0: int) -> T1Place:
    """S0 in so many folds of the first shuffle, A0 in so many as if over an encoder."""
    place = make_rated_lake(root)
    (place.embeddings.embedding_folder / IDENTITY_FILE).unlink()
    claim_folder(place.embeddings.embedding_folder, identify(EncoderSpec(str(encoder), device="cpu")), "percepiano")
    train(place, [tiny("S0")], s0)
    train(place, [tiny("A0", epochs=1)], a0)
    return place


def train(place: T1Place, models: Sequence[FitSettings], folds: int = 1) -> None:
    """Models in the first folds of the first shuffle."""
    of_shuffle = [fold for fold in read_folds(place.labels) if fold.protocol == "passage" and fold.seed == 0]
    for fold in of_shuffle[:folds]:
        for settings in models:
            fit_fold(place, fold, settings)


def copied(place: T1Place, root: Path) -> T1Place:
    """A lake of a test's own; MIDI and scores stay where they are."""
    shutil.copytree(place.root, root / "lake")
    return T1Place.of(Lake(root / "lake"), place.scores, midi=place.midi)


def a_rated_midi(place: T1Place, folder: Path) -> Path:
    """A rated performance under a name of a user's choice."""
    assert place.midi is not None
    return Path(shutil.copy(sorted(place.midi.iterdir())[0], folder / "my <best> take & more.mid"))


def its_score(place: T1Place) -> Path:
    """The score of that performance."""
    assert place.midi is not None
    assert place.scores is not None
    found = score_path(sorted(place.midi.iterdir())[0].stem, midi_of_segments(place.scores))
    assert found is not None
    return found


def its_sound(place: T1Place, folder: Path) -> Path:
    """How it sounded, on the sample's piano."""
    assert place.midi is not None
    took, seconds = played(sorted(place.midi.iterdir())[0].stem)
    sound = synth.synthesise(took.notes, took.pedals, 24_000, seconds, channels=1)
    save_audio(sound.reshape(-1).astype(np.float32), folder / "take.wav")
    return folder / "take.wav"


def noise(folder: Path, seconds: int = 7) -> Path:
    """Sound that is no music."""
    samples = np.random.default_rng(0).normal(size=24_000 * seconds).astype(np.float32) * 0.05
    save_audio(samples, folder / "noise.wav")
    return folder / "noise.wav"


def run(place: T1Place, *arguments: str | Path, **environment: str) -> Result:
    """The command as a user types it."""
    given = ["score", *map(str, arguments), "--root", str(place.root)]
    return CliRunner().invoke(main, given, env={"CRESCENDAI_DEVICE": "cpu", **environment})


class Reader(HTMLParser):
    """What a browser would fetch, show as pictures, and read."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.alts: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.sources.append(value or "")
            if name == "alt":
                self.alts.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: Path) -> Reader:
    """A page, read."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def words_of(page: Path) -> str:
    """Its text, on one line."""
    return " ".join("".join(read(page).text).split())
