from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.files import checked_id
from crescendai_assets.lake.text import folded, slug


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Łukasz Krupiński", "lukasz krupinski"),
        ("FRÉDÉRIC CHOPIN", "frederic chopin"),
        ("Œuvres de Bjørn Straße", "oeuvres de bjorn strasse"),
        ("Dvořák Đorđe Þór Ðan", "dvorak dorde thor dan"),
        ("İstanbul ıssız", "istanbul issiz"),
        ("ﬁnal №4", "final no4"),
        ("\uff26\uff35\uff2c\uff2c", "full"),  # full width
        ("\U0001d402\U0001d421\U0001d428\U0001d429\U0001d422\U0001d427", "chopin"),  # bold, as titles like it
        ("\u24b6\u24d1", "ab"),  # in circles
        ("조성진", unicodedata.normalize("NFKD", "조성진")),
        ("", ""),
    ],
)
def test_accents_case_and_compatibility_forms_fold_away(text, plain):
    assert folded(text) == plain


def test_composed_and_decomposed_spellings_fold_alike():
    for text in ("Étude", "Dvořák", "Ångström", "Phạm"):
        assert folded(unicodedata.normalize("NFD", text)) == folded(unicodedata.normalize("NFC", text))


@given(st.text())
def test_what_is_folded_stays_as_it_is(text):
    once = folded(text)
    assert folded(once) == once
    assert not any(unicodedata.combining(c) for c in once)


@given(st.text())
def test_case_does_not_count(text):
    assert folded(text.upper()) == folded(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Eva Gevorgyan", "eva-gevorgyan"),
        ("  Jun (Tony) Li — 1st! ", "jun-tony-li-1st"),
        ("\U0001d402hopin", "chopin"),
        ("반 클라이번", ""),
        ("♪♫", ""),
        ("../../etc", "etc"),
    ],
)
def test_a_slug_is_the_words_in_ascii_joined(text, expected):
    assert slug(text) == expected


@given(st.text(), st.integers(1, 80), st.sampled_from("-_"))
def test_a_slug_is_short_safe_and_its_own_slug(text, longest, joint):
    found = slug(text, longest, joint)
    assert len(found) <= longest
    assert set(found) <= set(string.ascii_lowercase + string.digits + joint)
    assert found.strip(joint) == found
    assert slug(found, longest, joint) == found
    assert not found or checked_id(found) == found


def test_a_slug_that_is_cut_between_words_ends_in_a_letter():
    assert slug("aaaa bbbb", 5) == "aaaa"
    assert slug("aaaa bbbb", 6, "_") == "aaaa_b"
    assert len(slug("x" * 100)) == 60
