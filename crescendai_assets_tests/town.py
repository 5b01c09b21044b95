"""An edition that no catalogue has, for tests: a town's competition of two pianists."""

from __future__ import annotations

from pathlib import Path

RESULTS = """\
competition: town
year: 2031
name: Town Competition
rounds: [semifinal, final]
results:
  - {performer: Ana Núñez, country: Spain, placement: 1}
  - {performer: Bo Lindqvist, placement: 2}
"""
PLAYLIST = "recordings: {playlist: 'https://example.org/list'}\n"


def write_town(catalogue: Path, recordings: str = PLAYLIST, results: str = RESULTS) -> None:
    """Put town2031 into a catalogue."""
    path = catalogue / "competitions" / "town2031.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(results + recordings, encoding="utf-8")
