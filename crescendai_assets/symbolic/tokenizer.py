"""Performances as token sequences (REMI), and back to MIDI.

The vocabulary keeps what is judged in a performance: onsets to 6.25 ms, durations, 64 velocities, the sustain pedal.
Time is on one clock (`clock`), so a bar is 1.6 s of playing, not a bar of the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.lake.files import write_atomic
from crescendai_assets.symbolic.clock import BEATS_PER_MINUTE, STEPS_PER_BEAT, to_clock
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import Performance

if TYPE_CHECKING:
    import miditok

MAX_SEQ_LEN = 2048

_CONFIG: dict[str, Any] = {
    "pitch_range": (0, 127),
    # durations: the full grid to 4 beats (1.6 s), coarser beyond, to 64 beats (25.6 s)
    "beat_res": {(0, 4): STEPS_PER_BEAT, (4, 12): 8, (12, 64): 2},
    "num_velocities": 64,
    "special_tokens": ["PAD", "BOS", "EOS", "MASK"],
    "use_time_signatures": False,
    "use_tempos": True,
    "num_tempos": 22,
    "tempo_range": (40, 250),  # in tens: the clock's is among them
    "use_sustain_pedals": True,
    "use_pitchdrum_tokens": False,
}


@cache
def _vocabulary() -> miditok.REMI:
    import miditok

    return miditok.REMI(miditok.TokenizerConfig(**_CONFIG))


class PianoTokenizer:
    """Tokens of a performance.

    A sequence reads `Bar Position Tempo`, then for each moment `Position`, its `Pitch Velocity Duration` notes and
    `Pedal` or `PedalOff`.
    """

    def __init__(self, max_seq_len: int = MAX_SEQ_LEN) -> None:
        """Nothing is loaded before the first use.

        Args:
            max_seq_len: Tokens of the longest sequence.
        """
        if max_seq_len < 16:
            raise ValueError(f"max_seq_len must be 16 or more, not {max_seq_len}: a bar and a note take that many")
        self.max_seq_len = max_seq_len

    def __reduce__(self) -> tuple[type[PianoTokenizer], tuple[int]]:
        return type(self), (self.max_seq_len,)

    def encode(self, midi_path: str | Path) -> list[int]:
        """Tokens from the beginning of a file, at most `max_seq_len`, whole notes only; see `windows` for the rest.

        Raises:
            FileNotFoundError: There is no such file.
            RecordingError: It cannot be used; see `read_midi`.
        """
        return self.encode_performance(read_midi(midi_path))[0]

    def windows(self, midi_path: str | Path) -> list[list[int]]:
        """All of a file, in sequences of at most `max_seq_len` that each begin a bar. Raises as `encode` does."""
        return self.encode_performance(read_midi(midi_path))

    def encode_performance(self, read: Performance) -> list[list[int]]:
        """All tokens of a performance, as `windows` gives them."""
        (sequence,) = self._remi.encode(to_clock(read))
        return list(self._cut(sequence.ids))

    def decode(self, tokens: Sequence[int], output_path: str | Path) -> None:
        """Write tokens as a MIDI file, atomically; padding and other special tokens are passed over.

        Args:
            tokens: A sequence as `encode` or a model gives it.
            output_path: Where to.

        Raises:
            ValueError: A token is not in the vocabulary.
        """
        unknown = [token for token in tokens if not 0 <= token < self.vocab_size]
        if unknown:
            raise ValueError(f"token {unknown[0]} is not in the vocabulary of {self.vocab_size}")
        score = self._remi.decode([list(tokens)])
        write_atomic(Path(output_path), score.dumps_midi())

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return len(self._remi)

    @property
    def pad_token_id(self) -> int:
        """Fills a batch."""
        return int(self._remi["PAD_None"])

    @property
    def mask_token_id(self) -> int:
        """Stands for a token to guess."""
        return int(self._remi["MASK_None"])

    @property
    def identity(self) -> dict[str, Any]:
        """What decides which number means what; part of every fingerprint of tokens."""
        beats = [[*span, steps] for span, steps in _CONFIG["beat_res"].items()]
        return {
            **_CONFIG,
            "beat_res": beats,
            "beats_per_minute": BEATS_PER_MINUTE,
            "max_seq_len": self.max_seq_len,
            "miditok": version("miditok"),
        }

    def _cut(self, tokens: list[int]) -> Iterator[list[int]]:
        """Cut before a bar, or before a moment where a bar is longer than a sequence; each part says its tempo."""
        while len(tokens) > self.max_seq_len:
            allowed = range(self.max_seq_len, len(self._clock_start), -1)
            at = next((i for i in allowed if tokens[i] == self._bar), None) or next(
                (i for i in allowed if tokens[i] in self._moments), self.max_seq_len
            )
            yield tokens[:at]
            rest = tokens[at:]
            tokens = self._clock_start + (rest[1:] if rest[0] == self._bar else rest)
        yield tokens

    @property
    def _remi(self) -> miditok.REMI:
        return _vocabulary()

    @cached_property
    def _bar(self) -> int:
        return int(self._remi["Bar_None"])

    @cached_property
    def _moments(self) -> frozenset[int]:
        """Tokens before which a sequence may be cut: what follows them is whole without them."""
        return frozenset({self._bar, *self._remi.token_ids_of_type("Position")})

    @cached_property
    def _clock_start(self) -> list[int]:
        return [self._bar, int(self._remi["Position_0"]), int(self._remi[f"Tempo_{BEATS_PER_MINUTE}.0"])]
