"""Groups, access, overview and the static page of dbt's documentation."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture(scope="module")
def manifest(built):
    path = built.root / "target" / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_model_has_a_group_and_only_tables_people_read_are_public(manifest):
    expected = {
        "marts": ("publication", "public"),
        "study": ("publication", "public"),
        "quality": ("publication", "public"),
        "estimates": ("estimation", "protected"),
        "staging": ("sources", "protected"),
        "intermediate": ("sources", "protected"),
    }
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    assert len(models) > 50
    for node in models:
        found = (node["group"], node["access"])
        assert found == expected[node["schema"]], node["name"]


def test_the_overview_is_the_projects(manifest):
    text = manifest["docs"]["doc.citypanel.__overview__"]["block_contents"]
    named = set(re.findall(r"`((?:fct|rpt|dim)_\w+?)`", text))
    assert {"fct_city_years", "rpt_regressions"} <= named
    models = {n["name"] for n in manifest["nodes"].values()}
    assert {name for name in named if not name.endswith("...")} <= models | {"rpt_"}


@pytest.mark.slow
def test_the_documentation_is_one_page(workshop):
    log = (workshop.root / "target" / "run_results.json").read_bytes()
    arguments = ["docs", "generate", "--static", "--target-path", "target/docs"]
    result = workshop.dbt(*arguments)
    assert result.returncode == 0, result.stdout
    page = (workshop.root / "target" / "docs" / "static_index.html").read_text("utf-8")
    for word in ("What to read", "资本存量", "K_t = I_t / P_t", "rpt_regressions"):
        # The page holds its data as JSON, in ASCII.
        assert json.dumps(word)[1:-1] in page
    loaded = re.findall(r"<(?:script|link)[^>]+(?:src|href)=.(https?:[^ >]+)", page)
    assert loaded == []
    assert (workshop.root / "target" / "run_results.json").read_bytes() == log
