"""What the specification curve refuses, and what it then says."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from joblib import Parallel, delayed
from tests.support.study_sources import dated, reconciled

from citypanel import cli
from citypanel import cluster as dask_cluster
from citypanel.curve import command, running
from citypanel.curve.choices import load_choices
from citypanel.curve.summary import published_numbers
from citypanel.errors import (
    ClusterError,
    OptionError,
    OutputError,
    PanelError,
    PublicationError,
)
from citypanel.files import alone_in
from citypanel.study.declaration import FILE, Declaration, folder_of
from citypanel.study.estimation import control_names
from citypanel.study.formulas import formula
from citypanel.study.options import Options
from citypanel.study.run import Sources, Study
from citypanel.workers import code_here

ONE = pd.DataFrame(
    {
        "city_id": ["110000"],
        "year": [2011],
        "variable": ["gdp_cny_10k"],
        "source": ["yearbook"],
        "value": [1.0],
    }
)
NONE_FIRST = pd.DataFrame(columns=["variable", "gdp_vintage", "source", "precedence"])
ZONES = pd.DataFrame(
    {"city_id": ["110000"], "batch": [1], "approval_date": ["2015-03-07"]}
)
EMPTY = Sources(
    cells=reconciled(ONE, NONE_FIRST),
    province_series=pd.DataFrame(
        {"province_id": ["110000"], "year": [2011], "indicator": ["GDP"], "value": 1.0}
    ),
    cities=pd.DataFrame(
        {
            "city_id": ["110000"],
            "city_en": ["Beijing"],
            "province_id": ["110000"],
            "region": ["eastern"],
            "is_municipality": [True],
            "is_provincial_capital": [False],
            "is_in_nbs_70": [True],
        }
    ),
    policy=dated(ZONES, ["110000"], [2011]),
    variables=pd.DataFrame(
        {
            "variable": ["gdp_cny_10k"],
            "kind": ["yearbook"],
            "province_indicator": ["GDP"],
            "gap_rule": ["mean"],
        }
    ),
)


def says(raised, *parts: str) -> None:
    text = str(raised.value)
    for part in (*parts, "Consequence: ", "Remedy: "):
        assert part in text, text


@pytest.fixture
def declared() -> dict:
    return yaml.safe_load((folder_of() / FILE).read_text("utf-8"))


def test_a_declaration_that_cannot_be_used(declared):
    options = declared["options"]
    options["real_gdp"]["values"]["city_growth"]["mark"] = "nice"
    options["imputation"]["values"]["linear"]["reason"] = ""
    options["frontier"]["default"] = "dae"
    options["outcome"]["values"]["tfpch"]["mark"] = "defensible"
    options["outcome"]["values"]["effch"].pop("mark")
    options["depreciation"]["kind"] = "portion"
    declared["curve"]["varies"].append("weather")
    declared["curve"]["meaningless"][0]["when"] = {"orientation": ["sideways"]}
    with pytest.raises(OptionError) as raised:
        Declaration(declared)
    says(
        raised,
        "real_gdp=city_growth: mark is 'nice'",
        "imputation=linear: no reason",
        "frontier: the default is not among its values",
        "outcome=tfpch: the default has a mark",
        "outcome=effch: no mark",
        "depreciation: kind is 'portion'",
        "weather: the study has no such option",
        "meaningless: orientation=sideways is not declared",
    )


def test_an_option_without_a_reason_not_to_vary_it(declared):
    declared["options"]["seed"].pop("not_varied")
    with pytest.raises(OptionError) as raised:
        Declaration(declared)
    says(raised, "seed: neither varied nor said why not")


def test_a_formula_that_is_none():
    for text in ("students +", "__import__('os').remove('x')", "a.b", "max(a)"):
        with pytest.raises(OptionError) as raised:
            formula(text)
        says(raised, "is no formula")


def test_a_folder_without_the_study():
    with pytest.raises(OptionError) as raised:
        folder_of("nowhere")
    says(raised, "no study nowhere here")


@pytest.mark.parametrize(
    "name", ["fai_extension", "labour_measure", "exposure_from", "outcome"]
)
def test_an_unknown_value_of_a_step(name):
    study, options = Study(EMPTY), Options(**{name: "nonsense"})
    step = {
        "fai_extension": study.investment,
        "labour_measure": study.labour,
        "exposure_from": study.exposure,
        "outcome": study.panel,
    }[name]
    series = {
        variable: np.ones((1, 1))
        for variable in (
            "fai_cny_10k", "real_estate_cny_10k", "university_students_persons",
            "population_persons_10k",
        )
    }  # fmt: skip
    study.given["series"] = series
    if name == "outcome":
        index = ["tfpch", "effch", "techch", "cumulative_log_tfp"]
        changes = pd.DataFrame({"city_id": ["110000"], "year": [2011]})
        study.given["index"] = changes.assign(**dict.fromkeys(index, 1.0))
        study.given |= {"is_capital_assumed": None, "controls": {}}
    with pytest.raises(OptionError) as raised:
        step(options)
    says(raised, f"Option {name} is 'nonsense'")


def test_unknown_controls():
    with pytest.raises(OptionError) as raised:
        control_names("eco+luck")
    says(raised, "  - luck", "names joined by +")


def test_a_cell_or_figure_that_is_not_there():
    study = Study(EMPTY)
    with pytest.raises(PanelError) as raised:
        study.with_cell("110000", 2012, "gdp_cny_10k", "yearbook", 2.0)
    says(raised, "city 110000, 2012, gdp_cny_10k, yearbook")
    with pytest.raises(PanelError) as raised:
        study.with_province_value("110000", 2012, "GDP", 2.0)
    says(raised, "province 110000, 2012, GDP")


def test_published_tables_without_the_papers_numbers():
    descriptives = pd.DataFrame({"variable": ["eco"]})
    regressions = pd.DataFrame({"paper_table": ["3"], "paper_column": ["(1)"],
                                "term": ["eco"], "estimate": [1.0]})  # fmt: skip
    with pytest.raises(PanelError) as raised:
        published_numbers(descriptives, regressions)
    says(raised, "tfpch: 0 rows", "Table 3 (1) sydid: 0 rows")


def test_only_of_something_else():
    with pytest.raises(OptionError) as raised:
        command.parse_only("weather=fine,labour_measure", load_choices(), Options())
    says(raised, "  - weather=fine", "  - labour_measure", "choices: real_gdp")


def test_no_published_file_and_one_of_an_earlier_version(tmp_path):
    with pytest.raises(PublicationError) as raised:
        command.read_published(tmp_path / "citypanel.duckdb")
    says(raised, "no published warehouse citypanel.duckdb", "make build")
    with duckdb.connect(str(tmp_path / "citypanel.duckdb")) as connection:
        connection.execute("create schema marts")
    with pytest.raises(PublicationError) as raised:
        command.read_published(tmp_path / "citypanel.duckdb")
    says(raised, "lacks tables", "marts.dim_study_variants")


@pytest.mark.parametrize(
    "arguments", [["--count", "0"], ["--workers", "0"], ["--permutations", "-1"]]
)
def test_numbers_that_are_none(arguments, capsys):
    assert cli.main(["specifications", *arguments]) == 1
    said = capsys.readouterr().err
    assert f"{arguments[0]} is {arguments[1]}" in said and "Remedy: " in said


def test_a_scheduler_that_does_not_answer(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError) as raised:
        dask_cluster.connect("tcp://127.0.0.1:9")
    says(raised, "No Dask scheduler answers at tcp://127.0.0.1:9", "dask scheduler")


@pytest.mark.parametrize(
    "address",
    ["nowhere at all", "http://127.0.0.1:8786", "tcp://127.0.0.1", "127.0.0.1:9",
     "tls://127.0.0.1:9", "tcp://127.0.0.1:99999", "inproc://x", ""],
)  # fmt: skip
def test_an_address_that_is_none(address):
    pytest.importorskip("distributed")
    with pytest.raises(ClusterError) as raised:
        dask_cluster.connect(address)
    says(raised, f"No Dask scheduler answers at {address or 'an empty address'}")


def test_a_server_that_is_no_scheduler(monkeypatch):
    """It takes the connection and says nothing that Dask understands."""
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError) as raised:
            dask_cluster.check_scheduler(address)
    says(raised, f"No Dask scheduler answers at {address}", "no answer within 1 s")


class Workers:
    """Answers of a cluster's workers to what their code is."""

    def __init__(self, **answers):
        self.answers = answers

    def run(self, function, *, on_error):
        assert on_error == "return"
        return {name: answer or function() for name, answer in self.answers.items()}


def test_workers_with_other_code_are_named():
    other = {**code_here(), "citypanel": "f" * 64, "numpy": "1.0"}
    without = ModuleNotFoundError("No module named 'citypanel'")
    dask_cluster._check_workers(Workers(one=None, two=None), "tcp://one:1")
    with pytest.raises(ClusterError) as raised:
        dask_cluster._check_workers(
            Workers(same=None, other=other, without=without), "tcp://one:1"
        )
    says(raised, "run other code than this process (2)", "  - other: citypanel ffff",
         "numpy 1.0 (here ", "  - without: ModuleNotFoundError")  # fmt: skip
    assert "same" not in str(raised.value).split("Consequence")[0].split("(2)")[1]


@pytest.mark.slow
def test_a_real_worker_with_other_code_is_named(project, tmp_path):
    """One with the library of another folder, a comment longer, beside a right one."""
    distributed = pytest.importorskip("distributed")
    other = tmp_path / "src" / "citypanel"
    shutil.copytree(project / "src" / "citypanel", other)
    (other / "panel.py").open("a", encoding="utf-8").write("# other\n")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        client = dask_cluster.connect(address)
        client.close()
        worker = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", address,
             "--nthreads", "1", "--no-dashboard", "--name", "stranger"],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with distributed.Client(address, set_as_default=False) as client:
                client.wait_for_workers(2, timeout=60)
            with pytest.raises(ClusterError) as raised:
                dask_cluster.connect(address)
        finally:
            worker.terminate()
            worker.wait()
    says(raised, "run other code than this process (1)", "  - tcp://127.0.0.1:",
         f"(here {code_here()['citypanel'][:12]})")  # fmt: skip


def test_dask_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError) as raised:
        dask_cluster.connect("tcp://127.0.0.1:8786")
    says(raised, "needs the package distributed", "cluster]")


@pytest.mark.slow
def test_a_scheduler_without_workers(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with (
        distributed.LocalCluster(
            n_workers=0, dashboard_address=None, processes=False
        ) as cluster,
        pytest.raises(ClusterError) as raised,
    ):
        dask_cluster.connect(cluster.scheduler_address)
    says(raised, "has no worker", "dask worker")


def die(*arguments):
    import os

    os._exit(1)


def test_a_second_run_in_the_same_folder(tmp_path):
    with alone_in(tmp_path / "out", "specifications"):
        with pytest.raises(OutputError) as raised:
            alone_in(tmp_path / "out", "specifications")
        says(raised, "Another run of the specifications is at work", "not disturbed")
    with alone_in(tmp_path / "out", "specifications"):
        pass


def test_a_batch_that_cannot_be_kept(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as raised:
        running._write(tmp_path / "file" / "0.npz", [], np.zeros((0, 2, 0)))
    says(raised, "cannot be kept", "0.npz: ", "--resume")


@pytest.mark.slow
def test_a_process_that_dies(monkeypatch):
    monkeypatch.setattr(running, "_batch", die)
    with pytest.raises(ClusterError) as raised:
        list(running._in_processes([(0, ("name", b"", []))], 1))
    says(raised, "has died", "--resume")


def in_order(futures, loop):
    return iter(futures)


class Refusing:
    """A cluster whose every task fails."""

    loop = None

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        return False

    def submit(self, function, *arguments, **options):
        from types import SimpleNamespace

        def fail():
            raise RuntimeError("no module named citypanel")

        return SimpleNamespace(key=len(arguments), result=fail)


def test_a_cluster_that_cannot_finish(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(running, "connect", lambda address: Refusing())
    monkeypatch.setattr(distributed, "as_completed", in_order)
    with pytest.raises(ClusterError) as raised:
        list(running._on_cluster([(0, ("name", b"", []))], "tcp://one:1"))
    says(raised, "tcp://one:1 could not finish", "no module named citypanel")


@pytest.mark.slow
def test_what_joblib_spreads_is_computed_by_the_workers():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        there = {worker.pid for worker in cluster.workers.values()}
        with dask_cluster.joblib_on(cluster.scheduler_address):
            work = Parallel(n_jobs=2, return_as="generator")(
                delayed(os.getpid)() for _ in range(4)
            )
            assert set(work) <= there
    with dask_cluster.joblib_on(None):
        assert (
            Parallel(n_jobs=1)(delayed(os.getpid)() for _ in range(2))
            == [os.getpid()] * 2
        )
