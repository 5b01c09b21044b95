"""The README's code runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_recipe_for_tests_is_a_passing_test_and_the_notebook_lines_read_what_it_made(tmp_path, monkeypatch):
    notebook, recipe = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    scope: dict[str, object] = {}
    exec(compile(recipe, "README.md", "exec"), scope)
    scope["test_a_year_is_embedded"](tmp_path)  # type: ignore[operator]
    monkeypatch.setenv("CRESCENDAI_DATA", str(tmp_path / "data"))
    exec(compile(notebook, "README.md", "exec"), scope)
    assert len(scope["table"]) == 6  # type: ignore[arg-type]


def test_every_file_the_readme_links_to_is_there():
    links = re.findall(r"\]\(((?!http)[^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", README, flags=re.MULTILINE)) <= targets
