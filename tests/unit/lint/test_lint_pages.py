"""The pages of the rules are those in docs/lint, and link to what is there."""

import pathlib
import re

from chaosml.lint.pages import all_pages, write_pages

DOCS = pathlib.Path(__file__).resolve().parents[3] / "docs" / "lint"


def test_the_pages_are_current():
    written = {path.name: path.read_text(encoding="utf-8") for path in DOCS.iterdir()}
    stale = [
        name for name in {*written, *all_pages()} if written.get(name) != all_pages().get(name)
    ]
    assert not stale, "run python -m chaosml.lint.pages docs/lint"


def test_every_link_to_a_page_leads_to_one():
    pages = all_pages()
    linked = set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", "".join(pages.values())))
    assert linked == set(pages) - {"README.md"}


def test_files_that_a_page_names_as_a_source_are_there():
    root = DOCS.parents[1]
    for name, page in all_pages().items():
        for source in re.findall(r"^- ((?:docs|scenarios)/[\w./-]+?):? ", page, re.MULTILINE):
            assert (root / source.rstrip(":")).exists(), f"{name}: {source}"


def test_pages_of_rules_that_are_gone_are_removed(tmp_path):
    (tmp_path / "gone.md").write_text("old")
    (tmp_path / "note.txt").write_text("somebody's")
    write_pages(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*all_pages(), "note.txt"}
