"""The specification curve: marts, command, interruption, cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from citypanel import cli
from citypanel.curve import command, running
from citypanel.curve.choices import load_choices
from citypanel.curve.results import write_tables
from citypanel.curve.specifications import (
    columns_of,
    design,
)
from citypanel.curve.tables import PERMUTATIONS

RESULTS = Path(__file__).parents[3] / "docs" / "results" / "specifications.md"
CLI = (sys.executable, "-m", "citypanel.cli", "specifications")


def test_rows_that_rpt_regressions_also_has_equal_it_to_the_last_digit(built):
    printed = built.query(
        "from marts.rpt_regressions where term = 'sydid' and paper_table = '3'"
    ).set_index(["variant", "paper_column"])
    rows = built.query("from marts.rpt_specifications").set_index("specification")
    pairs = {
        ("headline", "(1)"): "headline",
        ("headline", "(2)"): "controls=paper",
        ("real_gdp=city_growth", "(1)"): "real_gdp=city_growth",
        ("fai_extension=none", "(1)"): "fai_extension=none",
    }
    for there, here in pairs.items():
        for name in ("estimate", "std_error", "p_value", "n_obs", "n_cities",
                     "n_treated_cities", "assumed_share"):  # fmt: skip
            assert rows.loc[here, name] == printed.loc[there, name], (here, name)


def test_the_headline_row_describes_the_index_as_rpt_descriptives(built):
    row = built.query(
        "from marts.rpt_specifications where specification = 'headline'"
    ).iloc[0]
    index = built.query("from marts.rpt_descriptives where variable = 'tfpch'").iloc[0]
    for ours, theirs in (("mean", "mean"), ("std_dev", "std_dev"),
                         ("minimum", "minimum"), ("maximum", "maximum")):  # fmt: skip
        assert row[ours] == pytest.approx(index[theirs], rel=1e-12)
    assert row["n_obs"] == index["n_obs"]


def test_a_plain_build_has_the_single_moves(built):
    rows = built.query("from marts.rpt_specifications order by specification_order")
    choices = load_choices()
    base = command.read_published(built.published).base
    names = [r.name({n: getattr(base, n) for n in choices.names})
             for r in design(choices, base, n=0, seed=0)]  # fmt: skip
    assert list(rows["specification"]) == names
    assert set(rows.columns) == {"specification_order", *columns_of(choices)}


def test_the_summary_reads_the_papers_numbers_from_its_seed(built):
    summary = built.query("from marts.rpt_specification_summary")
    paper = summary[(summary["section"] == "paper") & (summary["scope"] == "growth")]
    values = paper.set_index("item")["value"]
    seed = built.query("from raw.pub_descriptives where variable = 'tfpch'").iloc[0]
    assert values["mean"] == float(seed["mean"])
    assert values["maximum"] == float(seed["max"])
    tornado = summary[summary["section"] == "tornado"].set_index("item")
    rows = built.query("from marts.rpt_specifications").set_index("specification")
    for item, row in tornado.iterrows():
        assert row["value"] == rows.loc[item, "estimate"]


def test_only_prints_the_row_of_the_mart(built, monkeypatch, capsys):
    monkeypatch.chdir(built.root)
    assert cli.main(["specifications", "--only", "labour_measure=employed"]) == 0
    printed = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    row = built.query(
        "from marts.rpt_specifications where specification = 'labour_measure=employed'"
    ).iloc[0]
    for name in ("estimate", "std_error", "mean", "n_obs"):
        assert float(printed[name]) == row[name]
    assert printed["command"].endswith(" labour_measure=employed")


@pytest.fixture
def place(built, tmp_path):
    """A folder with the published file, where the command may write."""
    (tmp_path / "citypanel.duckdb").symlink_to(built.published)
    return tmp_path


def run(place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments], cwd=place, capture_output=True, text=True, check=False
    )


def tables(place) -> dict[str, bytes]:
    folder = place / "outputs" / "specifications"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_the_command_gives_the_rows_of_the_marts(built, place):
    result = run(place, "--count", "1", "--permutations", str(PERMUTATIONS))
    assert result.returncode == 0, result.stderr
    rows = built.query("from marts.rpt_specifications")
    assert f"{len(rows)} specifications" in result.stdout
    folder = place / "outputs" / "specifications"
    for name, mart in (
        ("specifications", "rpt_specifications"),
        ("summary", "rpt_specification_summary"),
    ):
        ours = built.query(f"from read_parquet('{folder / name}.parquet')")
        theirs = built.query(f"from marts.{mart}")
        order = ours.columns[0]
        theirs = theirs.sort_values(order, ignore_index=True)[list(ours.columns)]
        pd.testing.assert_frame_equal(ours, theirs, check_dtype=False, check_exact=True)
    first = tables(place)
    assert run(place, "--count", "1", "--workers", "1", "-q").stdout == ""
    assert tables(place) == first


@pytest.mark.slow
def test_the_page_of_the_results_is_that_of_the_shipped_data(place):
    result = run(place, "--count", "2000")
    assert result.returncode == 0, result.stderr
    page = tables(place)["index.md"].decode()
    assert RESULTS.read_text(encoding="utf-8") == page


@pytest.mark.slow
def test_a_killed_run_loses_at_most_the_batch_in_hand(place):
    arguments = ("--count", "130", "--permutations", "9", "--workers", "1")
    process = subprocess.Popen(
        [*CLI, *arguments], cwd=place, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    batches = place / "outputs" / "specifications" / "batches"
    limit = time.monotonic() + 300
    while len(list(batches.glob("*/*.npz"))) < 2 and time.monotonic() < limit:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = sorted(batches.glob("*/*.npz"))
    assert 2 <= len(kept) < 6
    assert all(running._read(p, running.BATCH, 9) for p in kept)
    assert not (place / "outputs" / "specifications" / "specifications.csv").exists()
    resumed = run(place, *arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    after = tables(place)
    assert run(place, *arguments).returncode == 0
    assert tables(place) == after


@pytest.mark.slow
def test_an_earlier_result_survives_a_run_that_fails(place):
    pytest.importorskip("distributed")
    assert run(place, "--count", "1", "--permutations", "0").returncode == 0
    before = tables(place)
    failed = run(place, "--count", "60", "--dask", "tcp://127.0.0.1:9")
    assert failed.returncode == 1
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in failed.stderr
    now = tables_without_batches(place)
    assert now == before
    beyond = run(place, "--count", "100001")
    assert beyond.returncode == 1 and "more than the limit" in beyond.stderr
    assert tables_without_batches(place) == before


def tables_without_batches(place) -> dict[str, bytes]:
    folder = place / "outputs" / "specifications"
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


@pytest.mark.slow
def test_two_dask_workers_give_the_same_bytes_and_one_may_die(built, tmp_path):
    distributed = pytest.importorskip("distributed")
    published = command.read_published(built.published)
    choices = load_choices()
    rows = design(choices, published.base, n=180, seed=published.seed)
    job = running.Run(published.study, rows, choices, published.base, 9, published.seed)
    # A process of its own, with one linear-algebra thread, as the command computes.
    alone = running.execute(job, folder=tmp_path / "alone_batches", workers=1)
    write_tables({"specifications": alone[0]}, tmp_path / "alone")
    killed = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address

        def kill_one(done: int, total: int) -> None:
            if done and not killed:
                worker = next(iter(cluster.workers.values()))
                killed.append(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

        for name, watch in (("whole", None), ("killed", kill_one)):
            table, draws = running.execute(
                job, folder=tmp_path / f"{name}_batches", dask=address, progress=watch
            )
            write_tables({"specifications": table}, tmp_path / name)
            np.testing.assert_array_equal(draws, alone[1])
    assert killed
    for ending in ("csv", "parquet"):
        expected = (tmp_path / "alone" / f"specifications.{ending}").read_bytes()
        for name in ("whole", "killed"):
            found = (tmp_path / name / f"specifications.{ending}").read_bytes()
            assert found == expected, (name, ending)


def test_options_of_the_build_reach_the_curve(built):
    base = command.read_published(built.published).base
    row = built.query("from marts.dim_study_variants where variant = 'headline'").iloc[
        0
    ]
    lists = ("treated_batches", "excluded_cities", "credibility", "influence",
             "att_by_region")  # fmt: skip
    for name in base:
        if name in row and name not in lists:
            assert base[name] == row[name], name
    assert base.treated_batches == (1, 2, 3) and base.excluded_cities == ()
    assert base.credibility is True and base.influence is False
