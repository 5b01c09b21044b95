"""Titles of MAESTRO that are one work, and titles that only look it."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.sources.works import MAX_LENGTH, is_vague, merges, work_id

MAESTRO = Path(__file__).resolve().parents[2].parent / "shared/data/maestro/maestro-v3.0.0.json"
needs_maestro = pytest.mark.skipif(not MAESTRO.exists(), reason=f"the MAESTRO metadata is not at {MAESTRO}")

CHOPIN, BACH, LISZT = "Frédéric Chopin", "Johann Sebastian Bach", "Franz Liszt"
BEETHOVEN, SCHUBERT, RACH = "Ludwig van Beethoven", "Franz Schubert", "Sergei Rachmaninoff"
DEBUSSY, HAYDN, MOZART = "Claude Debussy", "Joseph Haydn", "Wolfgang Amadeus Mozart"

# id: (composer, title) of every spelling
SAME: dict[str, list[tuple[str, str]]] = {
    "chopin_etude_op10_no5": [
        (CHOPIN, "Etude Op. 10 No. 5 in G-flat Major"),
        (CHOPIN, "Étude in G♭ major, op.10/5 “Black Keys”"),
        ("Chopin, F.", "ETUDE OPUS 10, NR. 5"),
        ("Chopin", "Études, Op. 10: n°5"),
        ("Chopin", "Etude № 5, Op10"),
    ],
    "chopin_etudes_op25": [(CHOPIN, "12 Etudes, Op. 25"), (CHOPIN, "Complete Etudes, Opus 25")],
    "chopin_scherzo_op39": [(CHOPIN, "Scherzo No. 3"), (CHOPIN, "Scherzo No. 3 in C-sharp Minor, Op. 39")],
    "chopin_sonata_op58": [
        (CHOPIN, "Sonata 3 Op. 58"),
        (CHOPIN, "Sonata No. 3"),
        (CHOPIN, "Sonata No. 3 in B Minor, Op. 58 (Complete)"),
        (CHOPIN, "Sonata in B Minor, Op. 58"),
    ],
    "chopin_barcarolle_op60": [(CHOPIN, "Barcarolle in F#"), (DEBUSSY, "Barcarolle, Op. 60")],
    "chopin_polonaise_op26_no2": [
        (CHOPIN, "Polonaise Op. 26 in E-flat Minor"),
        (CHOPIN, "Polonaise Op. 26 No. 2"),
    ],
    "chopin_prelude_op28_no15": [
        (CHOPIN, "Prelude No. 15 in D-flat Major, Op. 28"),
        (CHOPIN, "Prélude, Op. 28, No. 15 'Raindrop'"),
    ],
    "bach_prelude-and-fugue_bwv848": [
        (BACH, "Prelude and Fugue in C sharp major, WTC I, BWV 848"),
        (BACH, "Prelude and Fugue in D-flat Major, WTC I, BWV 848"),
        (BACH, "Prelude and Fugue in C-sharp Major, WTC I"),
        (BACH, "Prelude & Fugue in C-sharp Major, BWV848"),
        ("J.S. Bach", "Prelude and Fugue No. 3, Book I"),
    ],
    "bach_prelude-and-fugue_bwv889": [
        (BACH, "Prelude and Fugue in A Minor, WTC II,  BWV 889"),
        (BACH, "Prelude and Fugue in A Minor, WTC II, BWV 847"),
    ],
    "bach_prelude-and-fugue_bwv891": [
        (BACH, "Prelude and Fugue in B-Moll, No. 22 WTKII"),
        (BACH, "Prelude and Fugue in B-flat Minor, WTC II"),
    ],
    "bach_suite_bwv808_mov1": [
        (BACH, "English Suite no. 3 in G Minor, Prelude"),
        (BACH, "Prelude from English Suite No. 3 in G Major"),
        (BACH, "English Suite in G Minor, BWV 808: I. Prelude"),
    ],
    "beethoven_sonata_op53_mov1": [
        (BEETHOVEN, "Sonata No. 21 in C major, Op. 53, “Waldstein,” I. Allegro con brio"),
        (BEETHOVEN, "Sonata No. 21 in C Major, Op. 53, First Movement"),
        (BEETHOVEN, "Sonata No. 21 in C major, Op. 53, 1st mov."),
    ],
    "beethoven_sonata_op31_no1": [
        (BEETHOVEN, "Sonata No. 16"),
        (BEETHOVEN, "Sonata No. 16, Op. 31"),
        (BEETHOVEN, "Sonata in G Major, Op. 31 No. 1"),
    ],
    "beethoven_sonata_op81a": [
        (BEETHOVEN, "Sonata Op. 81 No. 26, 'Les Adieux'"),
        (BEETHOVEN, "Sonata in E-flat Major, Op. 81a"),
    ],
    "beethoven_variations_woo80": [
        (BEETHOVEN, "Thirty-Two Variations in C minor, WoO 80    "),
        (BEETHOVEN, "Thirty-Two Variaions in C Minor, WoO80"),
    ],
    "clementi_sonata_op24_no2": [
        ("Muzio Clementi", "Sonata Bb, Op. 24, No. 2"),
        ("Muzio Clementi", "Sonata Op. 24/2"),
    ],
    "debussy_prelude_l123_no12": [
        (DEBUSSY, '"Feux d\'artifice" from Book II'),
        (DEBUSSY, 'Prelude No. 24 "Fireworks"'),
        (DEBUSSY, "Preludes Book II: “Feux d'artifice,” L 123, No. 12"),
    ],
    "debussy_prelude_l123_no6": [
        (CHOPIN, "Preludes, Book II, L 123, VI. Général Lavine - eccentric"),
        (DEBUSSY, "Preludes, Book II, VI. General Lavine"),
    ],
    "haydn_sonata_hob16-50": [
        (HAYDN, "Sonata in C Major, Hob. XVI/50"),
        (HAYDN, "Piano Sonata in C major, Hob. XVI: 50 (Complete)"),
    ],
    "haydn_sonata_hob16-20_mov1": [
        (HAYDN, "Sonata in C Minor, First Movement"),
        (HAYDN, "Sonata in C Minor, Hob. XVI:20, 1st mov."),
    ],
    "liszt_etude_s139_no5": [
        (LISZT, 'Études d\'exécution transcendante, No. 5, "Feux follets" S.139/5'),
        (LISZT, "Transcendental Etude No. 5 “Feux Follets,” S.139, No. 5"),
        (LISZT, 'Transcendental Etude No. 5 "Feux Follets"'),
    ],
    "liszt_etude_s141_no3": [
        (LISZT, "La Campanella"),
        (LISZT, 'Grandes ètudes de Paganini No. 3 "La Campanella", S. 141'),
        (LISZT, 'Paganini Etude No. 3, S. 141/3 "La Campanella"'),
    ],
    "mozart_sonata_k533": [(MOZART, "Sonata in F Major, K533"), (MOZART, "Sonata in F Major, K533/K494")],
    "mozart_sonata_k457_mov1": [
        (MOZART, "Sonata in C Minor K457, First Movement"),
        (MOZART, "Sonata K. 457 in C minor, I. Allegro molto"),
    ],
    "rachmaninoff_etude_op39_no6": [
        (RACH, "Etude Tableaux Op. 39 No. 6 in A Minor"),
        (RACH, "Etude-Tableau, Op. 39 No. 6 in A Minor"),
        (RACH, "Études-tableaux, Op. 39: No. 6"),
    ],
    "rachmaninoff_moments-musicaux_op16": [(RACH, "Moments Musicaux"), (RACH, "Moments Musicaux, Op. 16")],
    "scarlatti_sonata_k87": [
        ("Domenico Scarlatti", "Sonata in B Minor, L. 33"),
        ("Domenico Scarlatti", "Sonata in B Minor, K. 87"),
    ],
    "schubert_impromptu_d935_no3": [
        (SCHUBERT, "Impromptu Op.142 No.3, in B-Flat Major, D935"),
        (SCHUBERT, "Impromptu Op. 142 No. 3 in B-flat Major"),
        (SCHUBERT, "Impromptu in B-flat Major, D. 935 No. 3"),
    ],
    "schubert_sonata_d960_track2": [
        (SCHUBERT, "Son. in Bb D.961"),
        (SCHUBERT, "Sonata in B-flat Major, D. 961"),
    ],
    "schubert_sonata_d958_track3": [(SCHUBERT, "Sonata in C  Minor, D. 960")],
    "schubert-liszt_gretchen_s558_no8": [
        (SCHUBERT, "Gretchen am Spinnrade"),
        ("Franz Schubert / Franz Liszt", "Gretchen am Spinnrade"),
    ],
    "schumann_toccata_op7": [
        ("Robert Schumann", "Toccata in C Major, Opus 7"),
        ("R. Schumann", "Toccata Op. 7"),
    ],
    "verdi-liszt_paraphrase_s434": [
        ("Giuseppe Verdi / Franz Liszt", "Rigoletto Parap."),
        (LISZT, "Rigoletto-Paraphrase"),
        (LISZT, "Paraphrase de concert sur Rigoletto, S.434"),
    ],
}

DIFFERENT: list[list[tuple[str, str]]] = [
    [
        (RACH, "Preludes Op. 23, Nos. 2, 4 and 5"),
        (RACH, "Prelude Op. 23, No. 2"),
        (RACH, "Preludes Op. 23"),
        (RACH, "Prelude Op. 23 No. 4 in D Major"),
        (RACH, "Prelude Op. 23"),
    ],
    [
        (BEETHOVEN, "Sonata No. 16 in G Major, Op. 31 No. 1, First Movement"),
        (BEETHOVEN, "Sonata No. 16 in G Major, Op. 31 No. 1, I. and II. "),
        (BEETHOVEN, "Sonata No. 16 in G Major, Op. 31 No. 1"),
        (BEETHOVEN, "Sonata No. 17 in D Minor, Op. 31 No. 2"),
    ],
    [
        (BEETHOVEN, "Sonata No. 26 in 3-flat Major, Op. 81a (2nd & 3rd Movements)"),
        (BEETHOVEN, "Sonata No. 26 in E-flat Major, Op. 81a, I. Das Lebewohl. Adagio - Allegro"),
        (BEETHOVEN, "Sonata in E-flat Major, Op. 81a"),
    ],
    [
        (SCHUBERT, "Sonata in A D960"),
        (SCHUBERT, "Son. in Bb D.960"),
        (SCHUBERT, "Sonata in C Minor, D. 960"),
        (SCHUBERT, "Sonata in A D959"),
        (SCHUBERT, "Sonata in C Minor, D. 959"),
        (SCHUBERT, "Sonata in E Major, D. 960"),
        (SCHUBERT, "Sonata in A Min."),
        (SCHUBERT, "Sonata in A Minor, D784"),
        (SCHUBERT, "Sonata in A Minor, D. 845"),
        (SCHUBERT, "Sonata in A Minor, D. 846"),
    ],
    [
        (BACH, "Prelude and Fugue in C Major, WTC II, BWV 846"),
        (BACH, "Prelude and Fugue in C Major, WTC II, BWV 870"),
        (BACH, "Prelude and Fugue in C Major, WTC I, BWV 846"),
        (BACH, "Prelude in C Major, BWV 846"),
        (BACH, "Prelude & Fugue"),
    ],
    [
        (LISZT, "Hungarian Rhapsody No. 13 (arr. Volodos)"),
        (LISZT, "Hungarian Rhapsody No. 13, S. 244/13"),
        ("Franz Liszt / Vladimir Horowitz", "Hungarian Rhapsody No. 13"),
        (LISZT, "Hungarian Rhapsody"),
    ],
    [
        (LISZT, "Tarantella, S. 162 No. 3 from Venezia e Napoli"),
        (LISZT, "Venezia e Napoli, S. 162"),
        (LISZT, "Tarantella, Venezia e Napoli in G Minor, S.159"),
        (LISZT, "Tarantelle di Bravura, S. 386"),
        (LISZT, "Tarantella"),
    ],
    [
        (CHOPIN, "Etudes Op. 25 Nos. 1-5"),
        (CHOPIN, "12 Etudes, Op. 25"),
        (CHOPIN, "Etude Op. 25 No. 1"),
        (CHOPIN, "Etude Op. 25 No. 5 in E Minor"),
        (CHOPIN, "Etude Op. 25 No. 11"),
    ],
    [
        ("Johannes Brahms", "Paganini Variations, Op. 35 Book II"),
        ("Johannes Brahms", "Paganini Variations, Op. 35 Books I and II"),
        ("Johannes Brahms", "Paganini Variations, Op. 35 Book I"),
    ],
    [
        ("Alexander Scriabin", "Etude Op. 2 No.1;  Etudes Op. 8, Nos. 5, 11 and 12"),
        ("Alexander Scriabin", "Etude Op. 2 No. 1"),
        ("Alexander Scriabin", "Etudes Op. 8, Nos. 5, 11 and 12"),
        ("Alexander Scriabin", "Etudes from Op.8"),
        ("Alexander Scriabin", "Etudes Op. 8 (Complete)"),
    ],
    [
        ("Isaac Albéniz", "Iberia, Evocation, Triana"),
        ("Isaac Albéniz", "Triana from 'Iberia'"),
        ("Isaac Albéniz", "Iberia Book II"),
    ],
    [
        ("Johann Sebastian Bach", "Chaconne in D Minor, BWV 1004"),
        ("Johann Sebastian Bach / Ferruccio Busoni", "Chaconne in D Minor, BWV 1004"),
        ("Johann Sebastian Bach / Johannes Brahms", "Chaconne in D Minor, BWV 1004"),
        ("C.P.E. Bach", "Chaconne in D Minor"),
        ("J.C. Bach", "Chaconne in D Minor"),
    ],
    [("Leoš Janáček", "In the Mists"), ("Leoš Janáček", "In the Mists, I. Andante  ")],
    [
        (CHOPIN, "Sonata Op. 58, movements 1-2"),
        (CHOPIN, "Sonata Op. 58, I. Allegro"),
        (CHOPIN, "Sonata Op. 58"),
    ],
    [(MOZART, "Sonata in F"), (MOZART, "Sonata in F K332"), (MOZART, "Sonata in F Major, K280")],
    [("夜", "朝"), ("夜", "夕"), ("朝", "朝")],
    [("Anon", "???"), ("Anon", "!!!"), ("Anon", "")],
]


@pytest.mark.parametrize(
    ("name", "composer", "title"), [(name, *pair) for name, pairs in SAME.items() for pair in pairs]
)
def test_a_spelling_finds_its_work(name, composer, title):
    assert work_id(composer, title) == name


@pytest.mark.parametrize(("one", "other"), [pair for group in DIFFERENT for pair in combinations(group, 2)], ids=str)
def test_titles_that_differ_in_what_they_hold_stay_apart(one, other):
    assert work_id(*one) != work_id(*other)


@pytest.mark.parametrize(
    "title", ["Sonata No. 2 in B-Flat Minor Op. 36 (1913)", "Sonata Op. 36", "Sonata No. 2 in B-flat Minor"]
)
def test_an_edition_is_not_another_work(title):
    assert work_id(RACH, title) == "rachmaninoff_sonata_op36"


def test_a_range_and_its_list_are_one():
    assert work_id(CHOPIN, "Etudes Op. 25 Nos. 1-4") == work_id(CHOPIN, "Etudes, Op. 25, Nos. 1, 2, 3 & 4")
    assert work_id(CHOPIN, "Sonata Op. 58, I-II") == work_id(CHOPIN, "Sonata Op. 58, 1st and 2nd movements")


@pytest.mark.parametrize(
    ("composer", "title"),
    [
        ("Domenico Scarlatti", "Two Sonatas"),
        (BACH, "Prelude & Fugue"),
        (DEBUSSY, "Four Preludes"),
        ("Alexander Scriabin", "Etudes from Op.8"),
        (LISZT, "Hungarian Rhapsody"),
        ("Johannes Brahms", "Fantasias Op. 116 (Selections)"),
    ],
)
def test_a_title_that_names_no_piece_says_so(composer, title):
    assert is_vague(work_id(composer, title))


@pytest.mark.parametrize(
    ("composer", "title"),
    [(CHOPIN, "Preludes, Op.28"), (DEBUSSY, "Estampes (Complete)"), (LISZT, "Funerailles")],
)
def test_a_whole_collection_is_not_vague(composer, title):
    assert not is_vague(work_id(composer, title))


MARKS = "Op. No. Nos. I. II. - / , : ( ) 1 10 960 in A flat Minor Sonata Etude D. BWV mov. #"
WORDS = st.sampled_from(MARKS.split())


@given(st.text(max_size=60), st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=12).map(" ".join)))
def test_any_text_gives_a_safe_file_name(composer, title):
    name = work_id(composer, title)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)
    assert len(name) <= MAX_LENGTH
    assert name == work_id(composer, title)


@given(
    st.sampled_from([pair for pairs in SAME.values() for pair in pairs]),
    st.sampled_from(["  ", "\t", "\u00a0 "]),
)
def test_spacing_and_case_do_not_count(pair, space):
    composer, title = pair
    spaced = space + re.sub(" ", space, title) + space
    assert work_id(composer, spaced) == work_id(composer, title)
    assert work_id(composer.upper(), title.lower()) == work_id(composer, title)


@pytest.mark.parametrize("title", ["1" * 5000, "Op. " + "9" * 5000, "Hob. XVI:" + "9" * 5000, "Nos. 1-999 " * 500])
def test_endless_numbers_are_bounded(title):
    assert len(work_id("Joseph Haydn / " * 50, title)) <= MAX_LENGTH


def test_merges_lists_only_works_with_several_spellings_the_largest_first():
    rigoletto = [(LISZT, "Rigoletto Paraphrase")] * 2 + [("Giuseppe Verdi / Franz Liszt", "Rigoletto Parap.")]
    toccata = [("Robert Schumann", "Toccata Op. 7"), ("Robert Schumann", "Toccata in C, Op. 7")]
    found = merges([*toccata, *rigoletto, (CHOPIN, "Berceuse"), (CHOPIN, "Berceuse")])
    assert [merge.work_id for merge in found] == ["verdi-liszt_paraphrase_s434", "schumann_toccata_op7"]
    assert found[0].composer == LISZT
    assert found[0].spellings == ("Rigoletto Paraphrase", "Giuseppe Verdi / Franz Liszt: Rigoletto Parap.")
    assert found[0].recordings == 3
    assert merges(iter([])) == []


def _maestro() -> list[tuple[str, str]]:
    table = json.loads(MAESTRO.read_text(encoding="utf-8"))
    return [(table["canonical_composer"][row], table["canonical_title"][row]) for row in table["audio_filename"]]


@needs_maestro
def test_maestro_has_about_five_hundred_works():
    works = Counter(work_id(*pair) for pair in _maestro())
    assert works.total() == 1276
    assert 490 <= len(works) <= 505
    assert 235 <= sum(count > 1 for count in works.values()) <= 248
    assert sum(is_vague(name) for name in works) <= 12


@needs_maestro
def test_one_catalogue_number_is_one_work_in_maestro():
    pieces: dict[str, set[str]] = {}
    for name in {work_id(*pair) for pair in _maestro()}:
        if found := re.fullmatch(r"([a-z-]+)_(?:[a-z-]+_)?((?:op|bwv|woo|hob|[dkls])\d.*)", name):
            pieces.setdefault(f"{found[1]} {found[2]}", set()).add(name)
    assert len(pieces) > 350
    assert [names for names in pieces.values() if len(names) > 1] == []


@needs_maestro
def test_maestro_spellings_of_this_page_merge_as_it_says():
    merged = {merge.work_id: merge for merge in merges(_maestro())}
    assert merged["beethoven_variations_woo80"].recordings == 26
    assert merged["mendelssohn_variations_op54"].recordings == 24
    assert merged["schubert_impromptu_d935_no3"].recordings == 16
    assert merged["beethoven_sonata_op53_mov1"].recordings == 15
    assert merged["bach_prelude-and-fugue_bwv848"].recordings == 11
    assert merged["liszt_etude_s141_no3"].recordings == 11
    sonatas = {"schubert_sonata_d958", "schubert_sonata_d959", "schubert_sonata_d960"}
    for name in sonatas:  # no title of another sonata has come in by a wrongly counted number
        keys = {re.sub(r"\W+", " ", title.lower()).split(" d9")[0] for title in merged[name].spellings}
        assert len({key.split(" in ")[1][:1] for key in keys}) == 1
