from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.fingerprints import canonical_row, digest_lines, fingerprint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=10,
)


@dataclass(frozen=True)
class Rule:
    seconds: float
    names: tuple[str, ...]


def test_a_fingerprint_is_the_same_in_every_process_whatever_the_hash_seed():
    code = (
        "from crescendai_assets.lake.fingerprints import fingerprint, digest_lines\n"
        "print(fingerprint({'b': [1, 2.5, None], 'a': 'Étude'}, True), digest_lines(sorted({'x', 'y', 'é'})))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "random")
    }
    here = f"{fingerprint({'a': 'Étude', 'b': [1, 2.5, None]}, True)} {digest_lines(['x', 'y', 'é'])}"
    assert seen == {here}


def test_a_fingerprint_is_blake2b_of_canonical_json():
    # another form would turn every committed row stale
    spelled = '["é",1,{"a":null,"b":[0.5,true]}]'
    parts = ("é", 1, {"b": [0.5, True], "a": None})
    assert fingerprint(*parts) == hashlib.blake2b(spelled.encode(), digest_size=16).hexdigest()
    assert digest_lines(["a", "é"]) == hashlib.blake2b("a\né\n".encode(), digest_size=16).hexdigest()


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, min_size=2), st.randoms())
def test_key_order_is_irrelevant(mapping, random):
    keys = list(mapping)
    random.shuffle(keys)
    shuffled = {key: mapping[key] for key in keys}
    assert fingerprint(shuffled) == fingerprint(mapping)
    assert canonical_row(shuffled) == canonical_row(mapping)


def test_values_order_of_lists_types_and_number_of_parts_count():
    values = [
        fingerprint(),
        fingerprint(None),
        fingerprint("1"),
        fingerprint(1),
        fingerprint(1.5),
        fingerprint(True),
        fingerprint([1, 2]),
        fingerprint([2, 1]),
        fingerprint(1, 2),
        fingerprint("ab", "c"),
        fingerprint("a", "bc"),
        fingerprint({"a": 1}),
        fingerprint({"a": 2}),
        fingerprint({"b": 1}),
    ]
    assert len(set(values)) == len(values)
    assert all(len(value) == 32 and int(value, 16) >= 0 for value in values)


def test_a_dataclass_counts_as_the_mapping_of_its_fields():
    assert fingerprint(Rule(30.0, ("a", "b"))) == fingerprint({"seconds": 30.0, "names": ["a", "b"]})
    assert fingerprint(Rule(30.0, ("a", "b"))) != fingerprint(Rule(15.0, ("a", "b")))


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", Rule])
def test_a_value_without_a_canonical_form_is_refused(value):
    with pytest.raises(TypeError, match="a fingerprint takes JSON values and dataclasses"):
        fingerprint(value)


def test_lines_do_not_run_into_each_other():
    assert digest_lines(["ab", "c"]) != digest_lines(["a", "bc"])
    assert digest_lines(["a", "b"]) != digest_lines(["ab"])
    assert digest_lines(iter(["a", "b"])) == digest_lines(["a", "b"])
