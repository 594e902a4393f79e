"""A declaration on the figures of seeds/: each mistake with its line, all at once."""

from __future__ import annotations

import copy
import random
import shutil

import pytest
import yaml

from citypanel.cli import main
from citypanel.errors import CityPanelError
from citypanel.study.declaration import Declaration, declared
from citypanel.study.plugin import roster_of

STUDY = """name: carbon
extends: pilot_zones
period: {first: 2010}
policy:
  roster: roster.csv
  others: exclude
options: {policy: {default: carbon}}
controls:
  eco:
    formula: log(gdp_cny_10k)
published: null
"""


@pytest.fixture
def folder(tmp_path, project, monkeypatch):
    shutil.copytree(project / "seeds/reference", tmp_path / "seeds/reference")
    shutil.copytree(project / "studies/pilot_zones", tmp_path / "studies/pilot_zones")
    made = tmp_path / "studies" / "carbon"
    made.mkdir()
    (made / "study.yml").write_text(STUDY, encoding="utf-8")
    (made / "roster.csv").write_text("城市,日期\n石家庄,2013-05\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return made


def test_a_sound_one_is_told(folder, capsys):
    assert main(["check", "carbon"]) == 0
    said = capsys.readouterr().out
    assert "2010 to 2019" in said and "1 rows, 1 cities" in said
    study = declared("carbon")
    assert study.roster.name == "carbon" and study.effect is None
    assert study.roster.control == () and next(iter(study.controls)) == "eco"
    assert study.controls["eco"].formula.text == "log(gdp_cny_10k)"
    assert len(study.controls) == len(declared("pilot_zones").controls)


MISTAKES = [
    ("policy:", "polcy:", "line 4, polcy", "did you mean policy?"),
    ("others:", "other:", "line 6, policy.other", "did you mean others?"),
    ("gdp_cny_10k)", "gdp_cny)", "line 10", "did you mean gdp_cny_10k?"),
    ("log(gdp_cny_10k)", "open(gdp_cny_10k)", "line 10", "is not arithmetic"),
    ("log(gdp_cny_10k)", "log(gdp_cny_10k", "line 10", "formula"),
    ("name: carbon", "name: carbon\nname: carbon", "line 2", "stands twice"),
    ("period: {first: 2010}", "period: {first: 2010", "line 4", "no YAML"),
    ("first: 2010", "first: 2012", "period", "growth runs from 2011"),
    ("others: exclude", "others: drop", "policy", "neither exclude nor control"),
    ("roster.csv", "rosters.csv", "policy", "rosters.csv does not exist beside"),
    ("extends: pilot_zones", "extends: pilots", "pilots", "studies"),
    ("extends: pilot_zones", "extends: carbon", "carbon", "extends itself"),
    ("extends: pilot_zones\n", "", "carbon", "columns is missing"),
    ("first: 2010", "first: null", "period", "first is missing"),
]


@pytest.mark.parametrize(("before", "after", "place", "words"), MISTAKES)
def test_each_mistake_has_its_place_and_a_remedy(folder, before, after, place, words):
    assert STUDY.count(before) >= 1
    text = STUDY.replace(before, after, 1)
    (folder / "study.yml").write_text(text, encoding="utf-8")
    with pytest.raises(CityPanelError) as raised:
        declared("carbon")
    message = str(raised.value)
    assert place in message and words in message, message
    assert "Remedy:" in message


def test_a_printed_effect_may_be_negative(project):
    folder = project / "studies" / "pilot_zones"
    content = yaml.safe_load((folder / "study.yml").read_text("utf-8"))
    made = Declaration(content | {"published": {"effect": -0.05}}, folder)
    assert made.effect == -0.05
    with pytest.raises(CityPanelError, match=r"published\.effect: is 'much'"):
        Declaration(content | {"published": {"effect": "much"}}, folder)


def test_mistakes_are_found_all_at_once(folder, capsys):
    text = STUDY.replace("others:", "other:").replace("gdp_cny_10k)", "gdp_cny)")
    (folder / "study.yml").write_text(text, encoding="utf-8")
    assert main(["check", "carbon"]) == 1
    said = capsys.readouterr().err
    assert "line 6, policy.other" in said and "line 10" in said


def _paths(value, path=()):
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for key, inner in inside:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


@pytest.mark.parametrize("name", ["pilot_zones", "low_carbon", "castle_doctrine"])
def test_whatever_stands_where_is_taken_or_told(project, name):
    """A value of the wrong kind, anywhere, is a mistake with its place."""
    folder = project / "studies" / name
    content = yaml.safe_load((folder / "study.yml").read_text("utf-8"))
    rng = random.Random(11)
    places = list(_paths(content))
    for _ in range(80):
        changed, path = copy.deepcopy(content), rng.choice(places)
        part = changed
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = rng.choice([None, 3, "x y(", True, ["a", 1], {"k": 1}, [{}]])
        made = Declaration(changed, folder, strict=False)
        told = [p for p in made.document.problems if "study.yml" in p.place]
        assert told == made.document.problems


def test_a_mistake_in_what_is_extended_has_its_line_there(folder):
    base = folder.parent / "pilot_zones" / "study.yml"
    text = base.read_text("utf-8")
    line = 1 + text[: text.index("tertiary_cny_10k /")].count("\n")
    base.write_text(text.replace("tertiary_cny_10k /", "tertiary /"), "utf-8")
    with pytest.raises(CityPanelError) as raised:
        declared("carbon")
    assert f"pilot_zones/study.yml line {line}, controls.ind" in str(raised.value)


def test_a_roster_that_cannot_be_used_is_found_by_check(folder, capsys):
    (folder / "roster.csv").write_text(
        "城市,日期\n石家庄,2013-05\n抗州,soon\n", encoding="utf-8"
    )
    assert main(["check", "carbon"]) == 1
    assert "is no date" in capsys.readouterr().err
    with pytest.raises(CityPanelError, match="is no date"):
        roster_of(declared("carbon"))
