"""What the page on failing builds quotes is what the project says."""

from __future__ import annotations

import re

import pytest

from citypanel.errors import CityPanelError
from citypanel.warehouse import preflight
from citypanel.warehouse.locks import Holder
from citypanel.warehouse.seed_files import check_seeds


@pytest.fixture(scope="module")
def page(project):
    path = project / "docs" / "how-to" / "when-a-build-fails.md"
    return re.sub(r"\n +", "\n", path.read_text(encoding="utf-8"))


def _message(function, *arguments, **options):
    with pytest.raises(CityPanelError) as raised:
        function(*arguments, **options)
    return re.sub(r"\n +", "\n", str(raised.value))


def test_the_page_quotes_an_unusable_build_file(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preflight.BUILD_FILE.parent.mkdir()
    preflight.BUILD_FILE.write_bytes(b"something else's" * 10)
    assert _message(preflight.check_build_file, preflight.BUILD_FILE) in page


def test_the_page_quotes_a_held_build_file(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preflight.BUILD_FILE.parent.mkdir()
    preflight.BUILD_FILE.touch()
    other = Holder(25277, ".venv/bin/python .venv/bin/dbt build", writes=True)
    monkeypatch.setattr(preflight, "holders", lambda path: [other])
    assert _message(preflight.check_build_file, preflight.BUILD_FILE) in page


def test_the_page_quotes_a_full_disk(page, tmp_path, monkeypatch):
    usage = type("usage", (), {"free": 30 * 2**20})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert _message(preflight.check_disk, tmp_path) in page


def test_the_page_quotes_an_unusable_seed(page, project, tmp_path):
    folder = project / "seeds" / "published"
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    seed = tmp_path / "pub_regressions.csv"
    text = seed.read_text(encoding="utf-8").replace("paper_table", "table", 1)
    seed.write_text(text.replace("3,(1),const", "3,(1),const ,"), encoding="utf-8")
    assert _message(check_seeds, tmp_path) in page


def test_the_page_quotes_the_end_of_a_failed_run(page, project):
    files = (
        "src/citypanel/skeleton/macros/end_run.sql",
        "src/citypanel/warehouse/run.py",
    )
    texts = ((project / file).read_text(encoding="utf-8") for file in files)
    spoken = "".join("".join(re.findall(r'"([^"\n]*)"', text)) for text in texts)
    lines = [line for line in page.splitlines() if "run dbt build again" in line]
    assert len(lines) == 2
    for line in lines:
        assert line.removeprefix("Remedy: ").rstrip(".") in spoken
