"""Every page against axe's rules of WCAG 2.2 AA, in Chromium, where both are there.

axe-core is a program of others and does not travel with the project: AXE_CORE names
its axe.min.js (`npm pack axe-core`). Without it pages are held to what needs none:
`test_pages_keep_the_rules_that_need_no_browser`.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from tests.support.made_up_study import effect, made_up

import citypanel
from citypanel.curve.choices import load_choices
from citypanel.outputs.facts import gather
from citypanel.outputs.front import front_page
from citypanel.outputs.marts import Marts
from citypanel.outputs.report import study_page
from citypanel.outputs.specifications import curve_page, specification_page
from citypanel.outputs.study_report import write_report
from citypanel.outputs.tables import TABLES, Style
from citypanel.outputs.tables.html import page
from citypanel.pages.dbt_docs import readable
from citypanel.quality import data_docs
from citypanel.quality.report import quality_report
from citypanel.study.declaration import read_declaration
from citypanel.study.own.storage import write_tables

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
AXE = os.environ.get("AXE_CORE", "")
# Studies whose own pages are looked at.
STUDIES = ("enterprise_zones", "castle_doctrine")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = """
<script>{axe}</script>
<script>
window.addEventListener("load", function () {{
  var choose = document.querySelector('[data-choose="{language}"]');
  if (choose) {{ choose.click(); }}
  document.querySelectorAll("details").forEach(function (d) {{ d.open = true; }});
  axe.run(document, {{ runOnly: {tags} }}).then(function (found) {{
    document.body.dataset.axe = JSON.stringify(found.violations.map(function (v) {{
      return [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200),
        v.nodes[0].failureSummary.slice(0, 300)];
    }}));
  }});
}});
</script>
"""


def opened(page: str, script: str, folder: Path, *, dark=False, width=1440) -> str:
    """The page as Chromium has it when a script of ours has run."""
    path = folder / "page.html"
    path.write_text(page.replace("</body>", script + "</body>"), encoding="utf-8")
    result = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update",
            f"--user-data-dir={folder / 'profile'}", f"--window-size={width},1400",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--virtual-time-budget=30000", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return result.stdout or result.stderr


def left_behind(seen: str, name: str):
    """What a script left in the page's data."""
    found = re.search(rf'data-{name}="([^"]*)"', seen)
    assert found, seen[-2000:]
    return json.loads(html.unescape(found[1]))


def violations(page: str, folder: Path, *, language: str, dark: bool, width: int):
    """What axe finds on a page."""
    runner = RUN.format(
        axe=Path(AXE).read_text("utf-8"), language=language, tags=json.dumps(TAGS)
    )
    return left_behind(opened(page, runner, folder, dark=dark, width=width), "axe")


def _curve() -> pd.DataFrame:
    choices = load_choices()
    base = {c.name: str(c.values[0].value) for c in choices.choices}
    rows = []
    for k, value in enumerate(choices["real_gdp"].values):
        rows.append(
            base
            | {"real_gdp": str(value.value), "estimand": "growth", "n_obs": 32,
               "specification": "headline" if not k else f"real_gdp={value.value}",
               "plausibility": "headline" if not k else "defensible",
               "role": "headline" if not k else "draw", "reason_kind": None,
               **effect(0.001 * k, 0.01)}
        )  # fmt: skip
    return pd.DataFrame(rows)


SUMMARY = pd.DataFrame(
    columns=["scope", "section", "item", "value", "difference", "low", "high", "share",
             "p_value", "n", "text"]
)  # fmt: skip


def made() -> dict[str, str]:
    """The pages that need no build."""
    frames = made_up(slope=(-0.007, 0.002), net=0.01, quality="stop")
    facts = gather(frames | {"rpt_specifications": _curve()})
    return {
        "report": study_page(frames | {"rpt_specifications": _curve()}),
        "specifications": specification_page(_curve(), SUMMARY, load_choices(), facts),
        "curve": curve_page(_curve(), load_choices(), facts),
    }


class Rules(HTMLParser):
    """What can be seen in the source: language, names, order of headings, ids."""

    def __init__(self, page: str):
        super().__init__()
        self.wrong: list[str] = []
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.language = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "html":
            self.language = a.get("lang") or ""
        if tag == "img" and "alt" not in a:
            self.wrong.append(f"img without alt: {a}")
        if a.get("role") == "img" and not a.get("aria-label"):
            self.wrong.append(f"{tag} without a name: {a}")
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if "id" in a:
            self.ids.append(a["id"])
        if int(a.get("tabindex") or 0) > 0:
            self.wrong.append(f"tab order changed: {a}")


@pytest.mark.parametrize("name", ["report", "specifications", "curve"])
def test_pages_keep_the_rules_that_need_no_browser(name):
    page = made()[name]
    seen = Rules(page)
    assert seen.language == "en" and not seen.wrong
    assert seen.levels[0] == 1 and seen.levels.count(1) == 1
    steps = [b - a for a, b in zip(seen.levels, seen.levels[1:], strict=False)]
    assert max(steps, default=0) <= 1  # no level of headings is skipped
    assert len(set(seen.ids)) == len(seen.ids)
    # A way back, the content without the masthead, and print that stays light.
    assert 'href="../index.html"' in page and 'href="#main"' in page
    assert "@media (prefers-color-scheme: dark)" not in page
    assert "@media print" in page


NAMES = [
    *("report", "specifications", "curve", "front", "quality"),
    *("data_docs", "expectations", "validations", "dbt_docs"),
    *(f"{name} {page}" for name in STUDIES for page in ("report", "quality")),
    *(f"{maker.name} {language}" for maker in TABLES for language in ("en", "zh")),
]


@pytest.fixture(scope="module")
def pages(built, project, tmp_path_factory):
    """The pages of a build, as they are written."""
    folder = tmp_path_factory.mktemp("outputs")
    front = front_page(built.published, outputs=folder)
    quality = quality_report(built.published, folder=folder / "quality")
    docs = data_docs.report(
        built.published, suites_folder=project / "expectations", site=folder / "docs"
    )
    found = {
        kind: next((docs.parent / kind).rglob("*.html")).read_text("utf-8")
        for kind in ("expectations", "validations")
    }
    own = {}
    for name in STUDIES:
        path = project / "studies" / name / "study.yml"
        file = folder / f"{name}.duckdb"
        write_tables(file, read_declaration(path), citypanel.evaluate(None, path))
        for page_of in write_report(file, folder=folder / name):
            own[f"{name} {page_of.parent.name}"] = page_of.read_text("utf-8")
    other = built.copy(folder / "project")
    other.dbt("docs", "generate", "--static", "--target-path", "target/docs")
    written = other.root / "target" / "docs" / "static_index.html"
    with Marts(built.published) as marts:
        tables = {
            f"{maker.name} {language}": page(maker.make(marts, Style(language)))
            for maker in TABLES
            for language in ("en", "zh")
        }
    return (
        made()
        | found
        | tables
        | own
        | {
            "front": front.read_text("utf-8"),
            "quality": quality.read_text("utf-8"),
            "data_docs": docs.read_text("utf-8"),
            "dbt_docs": readable(written.read_text("utf-8")),
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("zh", 390)])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")
@pytest.mark.skipif(not AXE, reason="AXE_CORE does not name an axe.min.js")
def test_no_page_fails_axes_rules(pages, tmp_path, name, language, width, dark):
    found = violations(pages[name], tmp_path, language=language, dark=dark, width=width)
    assert found == []


# The pointer goes to every mark that is to be seen, and along the curve.
POINT = """
<script>
window.addEventListener("load", function () {
  var seen = [], marks = Array.from(document.querySelectorAll(".mark[data-en]"));
  var tip = document.getElementById("tip") || document.querySelector(".tip");
  var canvas = document.querySelector("canvas#curve");
  function tell(target, kind, x, y, words) {
    var at = {bubbles: true, clientX: x, clientY: y};
    target.dispatchEvent(new PointerEvent(kind, at));
    var box = tip.getBoundingClientRect();
    seen.push({said: tip.textContent, words: words, width: box.width, left: box.left,
      right: box.right - document.documentElement.clientWidth,
      away: Math.max(box.left - x, x - box.right, 0),
      above: Math.max(box.top - y, y - box.bottom, 0)});
  }
  marks.forEach(function (mark) {
    mark.scrollIntoView({block: "center", behavior: "instant"});
    var box = mark.getBoundingClientRect();
    if (!box.width && !box.height) { return; }
    tell(mark, "pointermove", box.left + box.width / 2, box.top + box.height / 2,
      mark.dataset.en);
  });
  if (canvas) {
    var box = canvas.getBoundingClientRect();
    for (var k = 2; k < 20; k += 1) {
      tell(canvas, "mousemove", box.left + k * box.width / 20, box.top + 60, null);
    }
    var before = tip.textContent;
    canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"}));
    document.body.dataset.keyed = JSON.stringify(before !== tip.textContent);
  }
  document.body.dataset.seen = JSON.stringify(seen);
});
</script>
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", ["report", "curve"])
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")
def test_words_of_a_mark_stand_beside_the_pointer(tmp_path, name, width):
    page = opened(made()[name], POINT, tmp_path, width=width)
    seen = left_behind(page, "seen")
    assert len(seen) >= (9 if name == "report" else 18)
    for mark in seen:
        assert mark["said"].strip() and mark["width"] > 0, mark
        assert mark["words"] in (None, mark["said"])
        assert mark["left"] >= 0 and mark["right"] <= 0, mark  # within the window
        # A row of the curve is as wide as its share of the picture.
        reach = 60 if name == "report" else 60 + width / len(_curve()) / 2
        assert mark["away"] < reach and (name == "curve" or mark["above"] < 60), mark
    if name == "curve":
        assert left_behind(page, "keyed")
