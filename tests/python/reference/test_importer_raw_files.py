"""Tables as they circulate (../shared/data/raw_files) import unedited, in place."""

from __future__ import annotations

import csv

import pytest

from citypanel.importers import plan_yearbook
from citypanel.importers.files import read_file
from citypanel.importers.project import agreement_share, load_reference, read_seed

# Files by spec: cells taken, figures also in the shipped seed, share that agrees within
# 0.5 per cent, counted 2026-11-25. The share of yearbook_tables and city_database is
# that of two readings of one yearbook; the others are compilations of other figures.
CASES = {
    "yearbook_tables": ("yearbook_tables/*.xlsx", 2759, 2394, 0.98),
    "city_database": ("yearbook_compilation/*.csv", 11860, 9235, 0.998),
    "cities_panel": ("cities_1999_2018/*.xlsx", 1512, 462, 0.90),
    "gdp_structure": ("gdp_index/2000*.xlsx", 5326, 2040, 0.82),
    "gdp_index": ("gdp_index/296*.xlsx", 3498, 1379, 0.29),
    "population_density": ("gdp_index/298*.xlsx", 1971, 730, 0.999),
}


@pytest.mark.parametrize(
    "spec",
    [
        spec
        if spec == "yearbook_tables"
        else pytest.param(spec, marks=pytest.mark.slow)
        for spec in CASES
    ],
)
def test_raw_file_imports_unedited_and_agrees(seeded, raw_files, spec):
    pattern, n_cells, n_both, share = CASES[spec]
    paths = sorted(raw_files.glob(pattern))
    plan = plan_yearbook(paths, project=seeded)
    assert f"Spec {spec}: {n_cells:,} cells" in plan.told
    agree, both = agreement_share(plan.agreements)
    assert both == n_both
    assert share <= agree / both < share + 0.02
    plan.write(seeded)
    cells = read_seed(seeded / "seeds/imported/raw_imported_cells.csv")
    assert len(cells) == n_cells
    assert {row["source"] for row in cells} == {spec}
    sources = read_seed(seeded / "seeds/imported/raw_imported_sources.csv")
    assert sum(int(row["n_rows"]) for row in sources) == n_cells
    assert [row["sha256"] for row in sources] == [
        read_file(seeded_path).sha256
        for seeded_path in sorted(paths, key=lambda path: path.name)
    ]


@pytest.mark.slow
def test_all_raw_files_stand_beside_each_other(seeded, raw_files):
    for pattern, *_ in list(CASES.values())[2:4]:
        plan_yearbook(sorted(raw_files.glob(pattern)), project=seeded).write(seeded)
    cells = read_seed(seeded / "seeds/imported/raw_imported_cells.csv")
    assert {row["source"] for row in cells} == {"cities_panel", "gdp_structure"}


def test_names_of_a_crosswalk_are_known(seeded, raw_files):
    gazetteer = load_reference(seeded).gazetteer
    with open(raw_files / "aliases.csv", encoding="utf-8") as file:
        aliases = list(csv.DictReader(file))
    unknown = [
        row["alias"]
        for row in aliases
        if gazetteer.find(name=row["alias"]).how == "unknown"
    ]
    # Misread characters are asked about, not guessed at.
    assert sorted(unknown) == ["毫州", "毫州市"]
    with open(raw_files / "entity_names.csv", encoding="utf-8") as file:
        names = [row["name_zh"] for row in csv.DictReader(file) if row["name_zh"]]
    assert len(names) > 360
    assert [n for n in names if gazetteer.find(name=n).how == "unknown"] == []


def test_codes_of_a_compilation_name_the_cities_they_name_there(seeded, raw_files):
    gazetteer = load_reference(seeded).gazetteer
    path = next(raw_files.glob("yearbook_compilation/*.csv"))
    with open(path, encoding="utf-8-sig") as file:
        pairs = {(row["Cityid"], row["地区"]) for row in csv.DictReader(file)}
    named = [(code, name) for code, name in pairs if code and name]
    assert len(named) > 290
    for code, name in named:
        assert gazetteer.find(code=code, name=name).how in ("code", "outside"), code
