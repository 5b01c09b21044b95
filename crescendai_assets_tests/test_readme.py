"""The README's code runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from crescendai_assets.bench.symbolic import write_playing
from crescendai_assets.symbolic.corpus.pack import write_pack
from crescendai_assets.symbolic.corpus.products import products

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def block(word):
    (found,) = [one for one in BLOCKS if word in one]
    return compile(found, "README.md", "exec")


def test_the_recipe_for_tests_is_a_passing_test_and_the_notebook_lines_read_what_it_made(tmp_path, monkeypatch):
    scope: dict[str, object] = {}
    exec(block("def test_a_year_is_embedded"), scope)
    scope["test_a_year_is_embedded"](tmp_path)  # type: ignore[operator]
    monkeypatch.setenv("CRESCENDAI_DATA", str(tmp_path / "data"))
    exec(block("an array that reads when asked"), scope)
    assert len(scope["table"]) == 6  # type: ignore[arg-type]


def test_the_lines_that_read_the_corpus_read_it(tmp_path, monkeypatch):
    write_playing(tmp_path / "take.mid", 10)
    tokens = products()["tokens"].make(tmp_path / "take.mid")
    write_pack(tmp_path / "data/pretrain_cache/tokens/all_tokens.pt", {"take": tokens.arrays})
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(block("read_pack"), scope)
    assert len(scope["pack"]) == 1  # type: ignore[arg-type]


def test_every_file_the_readme_links_to_is_there():
    links = re.findall(r"\]\(((?!http)[^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", README, flags=re.MULTILINE)) <= targets
