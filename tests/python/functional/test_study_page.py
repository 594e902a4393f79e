"""The study report of a real build: numbers, command, what a browser makes of it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest
import yaml

from citypanel.cli import main
from citypanel.outputs.facts import gather
from citypanel.outputs.report import sentences, study_page
from citypanel.outputs.report.page import command_of, read_frames
from citypanel.study.declaration import declared
from citypanel.words.numbers import fixed

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)


@pytest.fixture(scope="module")
def frames(built):
    return read_frames(built.published)


def test_the_headline_of_the_page_is_that_of_the_warehouse(built, frames):
    row = built.query(
        "select estimate, conf_low, conf_high, n_cities from marts.rpt_regressions "
        "where paper_table = '3' and paper_column = '(1)' and term = 'sydid' "
        "and variant = 'headline'"
    ).iloc[0]
    page = study_page(frames)
    assert not re.search(r"p\s–", re.sub(r"<[^>]+>", " ", page))
    said = [fixed(row[c]) for c in ("estimate", "conf_low", "conf_high")]
    assert "The estimate is {} with a 95% interval from {} to {}".format(*said) in page
    assert f"The sample has {row['n_cities']:.0f} cities" in page
    n_cities = built.query("select count(*) as n from marts.dim_cities")["n"].item()
    assert page.count('<button type="button" class="tile') == n_cities
    n_estimators = built.query(
        "select count(distinct estimator) as n from marts.rpt_event_study "
        "where outcome = 'tfpch' and variant = 'headline'"
    )["n"].item()
    assert page.count('data-outcome="tfpch"') == n_estimators


def test_every_choice_is_either_what_changes_the_answer_or_what_does_not(frames):
    facts = gather(frames)
    base = facts.headline.effect
    kinds = [
        sentences.change_of(base, effect) for _, effect in sentences.all_checks(facts)
    ]
    told = [s.rule for s in sentences.what_changes(facts)]
    for kind in ("conclusion", "sign", "size"):
        assert told.count(f"changes_{kind}") == kinds.count(kind)


def test_the_command_of_the_page_names_vars_of_the_project(built, frames):
    command = command_of(gather(frames).options)
    given = yaml.safe_load(command.split("'")[1])
    study = declared()
    assert given == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in study.defaults.items()
        if name in study.build_options
    }


def test_the_command_writes_the_page(built, tmp_path, capsys):
    arguments = ["study", "--database", str(built.published), "--output", str(tmp_path)]
    assert main(arguments) == 0
    page = (tmp_path / "index.html").read_text("utf-8")
    assert str(tmp_path / "index.html") in capsys.readouterr().out
    assert "</html>" in page
    assert not [path for path in tmp_path.iterdir() if path.name != "index.html"]


MEASURE = """
<iframe id="page" style="width:{width}px;height:2000px;border:0"></iframe>
<script>
var frame = document.getElementById("page");
frame.onload = function () {{
  var inner = frame.contentWindow, all = inner.document, root = all.documentElement;
  all.querySelectorAll("details").forEach(function (part) {{ part.open = true; }});
  var wide = [root.scrollWidth];
  var estimator = all.getElementById("pick-estimator");
  var outcome = all.getElementById("pick-outcome");
  estimator.value = "imputation"; outcome.value = "cumulative_log_tfp";
  estimator.dispatchEvent(new inner.Event("change"));
  wide.push(root.scrollWidth);
  var shown = Array.prototype.filter.call(all.querySelectorAll(".event"),
    function (part) {{ return !part.hidden; }});
  all.querySelector('.tile[data-city="330100"]').click();
  var mark = all.querySelector(".forest .headline .mark");
  var move = {{ bubbles: true, clientX: 20, clientY: 20 }};
  mark.dispatchEvent(new inner.PointerEvent("pointermove", move));
  document.body.dataset.found = JSON.stringify({{
    tip: all.querySelector(".tip").hidden ? "" : all.querySelector(".tip").textContent,
    wide: Math.max.apply(null, wide), language: root.lang, title: all.title,
    shown: shown.map(function (p) {{
      return [p.dataset.estimator, p.dataset.outcome];
    }}),
    city: all.getElementById("city-name").textContent,
    lines: all.querySelectorAll("#city-line line").length,
    english: inner.getComputedStyle(all.querySelector("h1 [lang=en]")).display,
    chinese: inner.getComputedStyle(all.querySelector("h1 [lang=zh-Hans]")).display
  }});
}};
frame.src = "index.html?language={language}";
</script>
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")
def test_a_browser_shows_one_language_and_what_is_picked_without_horizontal_scroll(
    built, frames, tmp_path, width, language
):
    (tmp_path / "index.html").write_text(study_page(frames), encoding="utf-8")
    (tmp_path / "measure.html").write_text(
        MEASURE.format(width=width, language=language), encoding="utf-8"
    )
    result = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,2200",
            "--virtual-time-budget=20000", "--dump-dom",
            (tmp_path / "measure.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )  # fmt: skip
    found = re.search(r'data-found="([^"]+)"', result.stdout)
    assert found, result.stderr
    measured = json.loads(html.unescape(found[1]))
    assert measured["wide"] <= width
    english = language == "en"
    assert measured["language"] == ("en" if english else "zh-Hans")
    assert measured["title"] == (
        "Did the pilot zones raise productivity?"
        if english
        else "综试区是否提高了全要素生产率？"
    )
    assert measured["chinese" if english else "english"] == "none"
    assert measured["english" if english else "chinese"] != "none"
    assert measured["shown"] == [["imputation", "cumulative_log_tfp"]]
    assert measured["city"] == ("Hangzhou: " if english else "杭州：")
    estimate = str(gather(frames).headline.effect)
    name = "Headline: " if english else "基准回归："
    assert measured["tip"].startswith(name + estimate)
    n_years = built.query(
        "select count(*) as n from marts.fct_tfp_changes where city_id = '330100'"
    )["n"].item()
    assert measured["lines"] == n_years
