"""Every public function of the library has an example, and it runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
from types import FunctionType

import pytest

MODULES = ("capital", "did", "examples", "frontier", "importers")


def _public() -> dict[str, object]:
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"citypanel.{name}")
        for each in module.__all__:
            thing = getattr(module, each)
            if isinstance(thing, FunctionType):
                found[f"{name}.{each}"] = thing
    found["did.Result"] = importlib.import_module("citypanel.did").Result
    found["evaluate"] = importlib.import_module("citypanel").evaluate
    return found


PUBLIC = _public()
FORMER = {"did.leave_one_city_out"}


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - FORMER))
def test_the_example_of_a_function_runs(name, project, monkeypatch):
    monkeypatch.chdir(project)
    thing = inspect.unwrap(PUBLIC[name])
    assert ">>>" in (thing.__doc__ or ""), f"{name} has no example"
    test = doctest.DocTestParser().get_doctest(
        inspect.getdoc(thing), {}, name, inspect.getsourcefile(thing), 0
    )
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", ["did", "frontier"])
def test_the_names_of_peers_are_the_same_functions(name):
    module = importlib.import_module(f"citypanel.{name}")
    for theirs, ours in module.PEERS.items():
        assert getattr(module, theirs) is ours
        assert ours.__name__ in module.__all__
        assert theirs not in module.__all__


def test_a_former_name_works_and_warns():
    from citypanel import did
    from citypanel.examples import zones

    columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    with pytest.warns(DeprecationWarning, match="leave_one_unit_out"):
        found = did.leave_one_city_out(zones(), **columns)
    assert set(found["aggregation"]) == {"leave_one_city_out"}
    now = did.leave_one_unit_out(zones(), **columns)
    assert found["estimate"].equals(now["estimate"])
