"""What the catalogue asks for against what is registered: a slip in a file never makes its data look unlisted."""

from __future__ import annotations

from pathlib import Path

import pytest

from crescendai_assets.sources.channels import Channels, read_channels
from crescendai_assets.sources.competitions import Competitions, read_competitions
from crescendai_assets.sources.registration import Registration, register_channels, register_competitions

EDITION = (
    "competition: {name}\nyear: 2020\nname: X\nrounds: [final]\n"
    "results:\n  - {{performer: Ana Sol, placement: 1}}\nrecordings: none yet\n"
)
CHANNELS = (
    "channels:\n"
    "  - {name: Zeta, category: recital, url: https://site.example/z}\n"
    "  - {name: Alpha, category: recital, url: https://site.example/a}\n"
)


def editions(root: Path, **texts: str) -> Competitions:
    folder = root / "competitions"
    folder.mkdir(exist_ok=True)
    for key, text in texts.items():
        (folder / f"{key}.yaml").write_text(text)
    return read_competitions([root])


def channels(root: Path, text: str) -> Channels:
    (root / "channels.yaml").write_text(text)
    return read_channels([root])


def test_editions_that_are_not_registered_are_new_and_those_without_a_file_are_unlisted(tmp_path):
    found = register_competitions(
        editions(tmp_path, b2020=EDITION.format(name="b"), a2020=EDITION.format(name="a")), ["b2020", "z2020", "y2020"]
    )
    assert found == Registration("competition", ("a2020",), ("y2020", "z2020"), (), ())
    assert found.summary() == "competition: added a2020. no longer in the catalogue: y2020, z2020"


def test_channels_are_compared_by_key_and_new_ones_stand_sorted(tmp_path):
    found = register_channels(channels(tmp_path, CHANNELS), ["gone"])
    assert (found.kind, found.new, found.unlisted) == ("channel", ("alpha", "zeta"), ("gone",))
    again = register_channels(channels(tmp_path, CHANNELS), ["alpha", "zeta"])
    assert (again.new, again.unlisted) == ((), ())
    assert again.summary() == "channel: nothing new"


def test_a_faulty_edition_is_neither_new_nor_unlisted_and_its_fault_is_told(tmp_path):
    catalogue = editions(tmp_path, a2020="competition: a\n", b2020=EDITION.format(name="b"), c2020="rounds: [")
    found = register_competitions(catalogue, ["a2020", "x2020"])
    assert (found.new, found.unlisted) == (("b2020",), ("x2020",))
    assert len(found.faults) == 2
    assert found.summary().startswith("competition: added b2020. no longer in the catalogue: x2020. 2 not valid: ")
    assert all(fault in found.summary() for fault in found.faults)


@pytest.mark.parametrize(
    "slip",
    [
        CHANNELS.replace("https://site.example/a", "ftp//a"),
        CHANNELS.replace("Alpha, category: recital", "Alpha, category: recitl"),
        CHANNELS.replace("name: Alpha", "nam: Alpha"),
        CHANNELS.replace("channels:", "channel:"),
        "channels: [",
    ],
)
def test_a_slip_in_the_file_of_channels_makes_none_of_them_unlisted(tmp_path, slip):
    assert slip != CHANNELS
    found = register_channels(channels(tmp_path, slip), ["alpha", "zeta"])
    assert (found.new, found.unlisted) == ((), ())
    assert found.faults


def test_what_replaced_what_is_passed_on(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    (own / "channels.yaml").write_text("channels:\n  - {name: Alpha, category: label, url: https://site.example/b}\n")
    found = register_channels(read_channels([tmp_path, own]), [])
    assert len(found.notes) == 1
    assert "alpha" in found.notes[0]


def test_an_empty_catalogue_with_nothing_registered_has_nothing_to_say():
    assert register_competitions(Competitions({}, [], []), []).summary() == "competition: nothing new"
    assert register_channels(Channels([], [], []), []).summary() == "channel: nothing new"
