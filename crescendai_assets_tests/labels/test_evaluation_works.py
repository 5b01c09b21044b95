"""Which titles name a rated work, however they are spelled, and which only look like one."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pytest

from crescendai_assets.labels.evaluation_works import (
    PERCEPIANO_WORKS,
    EvaluationWork,
    is_evaluation_work,
    may_hold_evaluation_work,
)
from crescendai_assets.labels.names import parse_name
from crescendai_assets_tests.shared_data import DATA, needs_shared

VARIATIONS, IMPROMPTU, SONATA = (work.name for work in PERCEPIANO_WORKS)

HELD_OUT = {
    VARIATIONS: (
        "Thirty-Two Variaions in C Minor, WoO80",
        "32 Variations in C minor",
        "32 Variations on an Original Theme",
        "32_Variations_WoO_80",
        "Beethoven: 32 Variationen c-moll WoO 80",
        "Variations in C Minor",
        "WoO80 var3",
        "32 Variations WoO 80; Sonata Op. 111",
    ),
    IMPROMPTU: (
        "Impromptu Op. 142 No. 3 in B-flat Major",
        "Impromptu Op.142 No.3, in B-Flat Major, D935",
        "Impromptu in B♭ major",
        "Impromptu B-Dur D 935/3",
        "Impromptu, Op. posth. 142 No. 3",
        "Impromptu in B-flat, op. posthumous 142/3 'Rosamunde'",
        "Rosamunde Variations",
        "4 Impromptus, D 935 / Op.142",
        "4 Impromptus, Op. 142, D. 935: 3. Andante",
        "4 Impromptus D. 935: III. Thema",
        "Impromptus D. 935 Nos. 1 and 3",
        "Impromptus D. 935 Nos. 1-4",
        "8 Impromptus, D 899 and D 935",
        "8 Impromptus, D 935 and D 899",
        "Impromptus",
        "Four Impromptus (Complete)",
        "Impromptu No. 7",
        "Impromptu_op142_3",
        "Impromptu_op142/3_no_repeat",
        "4_Impromptus_Op.142,_D.935/No.3_in_B_flat:_Theme_(Andante)_with_Variations",
        "D935 no.3",
    ),
    SONATA: (
        "Sonata in B-flat Major, D960",
        "Sonata in B-flat Major, D. 963",  # MAESTRO numbers its tracks on
        "Son. in Bb D.961",
        "Piano Sonata No. 21 In B Flat Major, D.960: III. Scherzo (Allegro vivace con delicatezza)",
        "Piano Sonata No. 21",
        "Sonata in B-flat, Op. posth.",
        "Klaviersonate B-Dur D 960",
        "Sonatas D 958, 959, 960",
        "Sonatas D 958-960",
        "Piano_Sonatas_960-1",
        "Piano_Sonatas/960-2_no_repeat",
        "Three Last Sonatas",
        "D960 mv2",
    ),
}

NOT_HELD_OUT = (
    ("Ludwig van Beethoven", "15 Variations and Fugue in Eb on an Original Theme ('Eroica Variations'), Op.35"),
    ("Ludwig van Beethoven", "33 Variations in C Major, Op. 120 on a Waltz by Diabelli: Variation XXXII"),
    ("Ludwig van Beethoven", "Piano Sonata No. 32 in C Minor, Op. 111: II. Arietta - Var. I"),
    ("Ludwig van Beethoven", "9 Variations on a March by Dressler in C minor, WoO 63"),
    ("Ludwig van Beethoven", "Andante favori in F, WoO 57"),
    ("Edvard Grieg", "32 Variations in C minor, WoO 80"),
    ("Franz Schubert", "Impromptu Op. 142 No. 1 in F Minor, D. 935"),
    ("Franz Schubert", "4 Impromptus Op.142, D.935: No.2 in A flat: Allegretto"),
    ("Franz Schubert", "4 Impromptus, Op. 142, D. 935: 1. Allegro moderato"),
    ("Franz Schubert", "4_Impromptus_Op.142,_D.935/No.4_in_F_minor:_Allegro_scherzando"),
    ("Franz Schubert", "Impromptus, D. 935 Nos. 1, 2 & 4"),
    ("Franz Schubert", "Impromptus Op. 90, No. 3"),
    ("Franz Schubert", "Impromptu in G-flat"),
    ("Schubert", "Impromptu_op142_1"),
    ("Schubert", "Impromptu_op.90_D.899/4_no_repeat"),
    ("Schubert", "Piano_Sonatas_894-2"),
    ("Franz Schubert", "Sonata in A D960"),  # the second track of D 959
    ("Franz Schubert", "Sonata in C Minor, D. 960"),  # the third of D 958
    ("Franz Schubert", "Sonata in A Min."),
    ("Franz Schubert", "Piano Sonata No. 20 in A, D.959: IV. Rondo"),
    ("Ludwig van Beethoven", "Sonata No. 11 in B-flat Major, Op. 22"),
    ("Johannes Brahms", "Intermezzo in B-flat Minor, Op. 117 No. 2"),
    ("Franz Schubert / Franz Liszt", "Staendchen from Schwannengesang, R245/7"),
    ("", "Sonata in B-flat Major"),
)


@pytest.mark.parametrize(("work", "title"), [(work, title) for work, titles in HELD_OUT.items() for title in titles])
def test_a_rated_work_is_known_by_any_of_its_names(work, title):
    first, last = ("Ludwig van", "Beethoven") if work == VARIATIONS else ("Franz", "Schubert")
    for composer in (f"{first} {last}", last, f"{last}, {first}", last.upper()):
        assert is_evaluation_work(composer, title) == work
    assert is_evaluation_work("", f"{last}/{title}") == work
    assert is_evaluation_work("", f"{last}: {title}") == work


@pytest.mark.parametrize(("composer", "title"), NOT_HELD_OUT)
def test_another_work_is_not_taken_for_a_rated_one(composer, title):
    assert is_evaluation_work(composer, title) is None


def test_other_rated_works_can_be_given():
    sample = EvaluationWork("Sample S1", "sample", titles=r"\bs1\b", others=r"_op\d")
    works = (*PERCEPIANO_WORKS, sample)
    assert is_evaluation_work("Sample", "Sample_S1_mv1", works) == "Sample S1"
    assert is_evaluation_work("Sample", "Sample_S12_mv1", works) is None
    assert is_evaluation_work("Sample", "Study S1 op. 3", works) is None
    assert is_evaluation_work("Schubert", "Sonata D 960", works) == SONATA
    assert is_evaluation_work("Schubert", "Sonata D 960", (sample,)) is None
    assert is_evaluation_work("Schubert", "Sonata D 960", ()) is None


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@needs_shared
def test_what_is_held_out_of_maestro_is_what_a_reader_of_its_titles_holds_out():
    columns = json.loads((DATA / "maestro/maestro-v3.0.0.json").read_text())
    titles = [(columns["canonical_composer"][i], title) for i, title in columns["canonical_title"].items()]
    held = [(title, is_evaluation_work(*title)) for title in titles]
    assert Counter(work for _, work in held if work) == {VARIATIONS: 26, IMPROMPTU: 16, SONATA: 29}
    # by eye: every title of Schubert that is left names another sonata's key, another impromptu, or another genre
    left = {title for (composer, title), work in held if work is None and "Schubert" in composer}
    assert len(left) == 83
    assert not any("B-flat" in title or "Bb" in title or "Impromptus D" in title for title in left)
    numbers = ("WoO", "D935", "D. 935", "D960", "D. 960", "D.960")
    assert {c for (c, t), _ in held if any(n in t for n in numbers)} == {"Ludwig van Beethoven", "Franz Schubert"}


@needs_shared
def test_titles_and_folders_of_asap_agree_on_what_is_held_out():
    found = []
    for row in rows(DATA / "asap/metadata.csv"):
        work = is_evaluation_work(row["composer"], row["title"])
        assert is_evaluation_work(row["composer"], row["folder"]) == work
        assert is_evaluation_work("", row["folder"]) == work
        found += [(row["title"], work)] if work else []
    assert Counter(found) == {("Impromptu_op142_3", IMPROMPTU): 8}


@pytest.mark.parametrize(
    ("text", "about", "may"),
    [
        ("Sonata in B-flat major, D. 960", "", True),
        ("Соната D 960", "", True),
        ("32 Variations in C minor, WoO 80", "", True),
        ("Franz Schubert: Klaviersonate Nr. 21", "", True),
        ("Schubert Sonata in Bflat", "", True),
        ("Schubert: Piano Sonata n°21", "", True),
        ("Schubert's last sonata", "", True),
        ("Beethoven C minor variations", "", True),
        ("Beethoven: Variationen über ein eigenes Thema c-Moll", "", True),
        ("Beethoven: 33 Variations on a waltz by Diabelli, Op. 120", "", False),
        ("Haydn, Schubert, Liszt", "", True),
        ("Ludwig van Beethoven", "", True),
        ("Handel, Hough, Ligeti & Beethoven", "", True),
        ("Sonata in B flat major", "International Franz Schubert Competition 2022", True),
        ("Sonata in B flat major", "Chopin Competition", False),
        ("Sonata in B-flat minor, Op. 35", "chopin", False),
        ("Beethoven (Waldstein), Liebermann, Brahms", "", False),
        ("Beethoven: Piano Concerto No. 3 in C minor, Op. 37", "", False),
        ("Schubert: Sonata in A major, D. 959", "", False),
        ("Etude Op. 10 No. 12", "", False),
        ("", "Schubert Competition", False),
        ("Shubert: Sonata B flat major", "", True),
        ("F. Chubert - Impromptus", "", True),
        ("Beethowen 32 Variations", "", True),
        ("Wariacje c-moll Beethovena: 32 Variations", "", True),
        ("Haydn, Bethoven, Liszt", "", True),
        ("Bethoven: Sonata in C major, Op. 53", "", False),
        ("Ф. Шуберт. Соната си-бемоль мажор", "", True),
        ("Соната си-бемоль мажор", "Конкурс имени Шуберта", True),
        ("Л. Бетховен – 32 вариации до минор", "", True),
        ("Л. Бетховен – Соната op. 57", "", False),
        ("ベートーヴェン 32の変奏曲", "", True),
        ("ﾍﾞｰﾄｰｳﾞｪﾝ 32の変奏曲", "", True),
        ("슈베르트 소나타", "", True),
        ("舒伯特 即兴曲", "", True),
        ("Рахманинов – Этюд-картина", "", False),
        ("Etude in F♯ minor, Nº 3", "Schubert Competition", False),
    ],
)
def test_a_text_that_names_several_composers_or_none_counts_in_doubt(text, about, may):
    assert may_hold_evaluation_work(text, about) is may


@needs_shared
def test_of_real_video_titles_none_is_held_out_in_doubt():
    lines = (DATA / "ytdlp/icpc2015_youtube_dl_info.jsonl").read_text().splitlines()
    titles = [json.loads(line)["title"] for line in lines]
    assert len(titles) == 777
    assert not [title for title in titles if may_hold_evaluation_work(title)]


@needs_shared
def test_tracks_and_folders_of_atepp_agree_on_what_is_held_out():
    compositions: Counter[tuple[str, str | None]] = Counter()
    for row in rows(DATA / "atepp/ATEPP-metadata-1.2.csv"):
        work = is_evaluation_work(row["composer"], row["track"])
        assert is_evaluation_work("", row["midi_path"].rpartition("/")[0]) == work
        compositions[row["composition_id"], work] += 1
    assert Counter({key: n for key, n in compositions.items() if key[1]}) == {
        ("839", SONATA): 14, ("840", SONATA): 12, ("841", SONATA): 12, ("842", SONATA): 12, ("917", IMPROMPTU): 10,
    }  # fmt: skip
    assert len({i for i, _ in compositions}) == len(compositions)  # no composition is held out in part


@needs_shared
def test_every_segment_of_percepiano_is_of_a_held_out_work():
    names = [parse_name(path.name) for path in (DATA / "percepiano/midi").glob("*.mid")]
    works = Counter(is_evaluation_work(name.composer, f"{name.work}_{name.movement}") for name in names)
    assert set(works) == {VARIATIONS, IMPROMPTU, SONATA}
    assert works.total() == 1202
