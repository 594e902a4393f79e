"""Which results stand: a rule over nodes, records and one run's results."""

from __future__ import annotations

import pytest

from citypanel.warehouse.results import (
    Node,
    judge,
    present_fingerprints,
    standing_fingerprints,
)


def _nodes(**own):
    """seed -> model -> mart, two with a test, and one alone; `own` changes them."""
    parents = {
        "seed": (), "seed_test": ("seed",), "model": ("seed",), "mart": ("model",),
        "mart_test": ("mart",), "other": (),
    }  # fmt: skip
    return {
        name: Node(
            id=name,
            name=name,
            kind="test" if name.endswith("_test") else "model",
            own=own.get(name, "1"),
            parents=above,
        )
        for name, above in parents.items()
    }


def _passed(nodes, *names):
    return {
        name: "pass" if nodes[name].kind == "test" else "success"
        for name in names or nodes
    }


def _after(nodes, recorded, *names):
    """What is recorded after a run of some nodes in which all pass."""
    cleared = {k: v for k, v in recorded.items() if k not in names}
    return standing_fingerprints(nodes, cleared, _passed(nodes, *names))


def test_a_full_run_without_failure_is_sound():
    nodes = _nodes()
    verdict = judge(nodes, {}, _passed(nodes), selected=nodes)
    assert verdict.is_sound and verdict.reason() == ""
    assert verdict.standing == present_fingerprints(nodes)


@pytest.mark.parametrize("status", ["fail", "error", "runtime error", "skipped"])
@pytest.mark.parametrize("name", sorted(_nodes()))
def test_one_that_alone_does_not_pass_is_refused_and_named(name, status):
    nodes = _nodes()
    statuses = _passed(nodes) | {name: status}
    recorded = present_fingerprints(nodes)
    for before in ({}, recorded):
        verdict = judge(nodes, before, statuses, selected=nodes)
        assert not verdict.is_sound
        assert name in verdict.reason()


def test_one_without_a_result_did_not_run():
    nodes = _nodes()
    verdict = judge(nodes, {}, _passed(nodes, "seed", "model", "mart"), selected=nodes)
    assert [node.id for node in verdict.skipped] == ["other", "seed_test", "mart_test"]
    assert "did not run" in verdict.reason()


def test_a_warning_passes():
    nodes = _nodes()
    assert judge(nodes, {}, _passed(nodes) | {"mart_test": "warn"}).is_sound


def test_selective_runs_add_up():
    nodes, recorded = _nodes(), {}
    recorded = _after(nodes, recorded, "seed", "seed_test")
    recorded = _after(nodes, recorded, "other", "model")
    verdict = judge(nodes, recorded, _passed(nodes, "mart"))
    assert [node.id for node in verdict.changed] == ["mart_test"]
    assert judge(nodes, recorded, _passed(nodes, "mart", "mart_test")).is_sound


def test_a_retry_after_a_failure_adds_up():
    nodes = _nodes()
    first = _passed(nodes) | {
        "model": "error", "mart": "skipped", "mart_test": "skipped",
    }  # fmt: skip
    recorded = standing_fingerprints(nodes, {}, first)
    retried = _passed(nodes, "model", "mart", "mart_test")
    assert judge(nodes, recorded, retried).is_sound


def test_a_changed_seed_makes_all_that_reads_it_stale():
    recorded = present_fingerprints(_nodes())
    nodes = _nodes(seed="2")
    verdict = judge(nodes, recorded, _passed(nodes, "other"))
    assert [node.id for node in verdict.changed] == ["seed"]
    assert verdict.behind == 4
    assert "4 read from what is out of date" in verdict.reason()


def test_a_model_built_on_a_stale_parent_stays_stale_when_the_parent_is_built_later():
    recorded = present_fingerprints(_nodes())
    nodes = _nodes(seed="2")
    recorded = _after(nodes, recorded, "model")
    verdict = judge(nodes, recorded, _passed(nodes, "seed", "seed_test"))
    assert [node.id for node in verdict.changed] == ["model"]


def test_a_build_that_was_killed_leaves_nothing_that_seems_to_stand():
    """The seed goes from 1 to 2, the build is killed, and the seed goes back to 1."""
    recorded = present_fingerprints(_nodes())
    forgotten = {k: v for k, v in recorded.items() if k == "other"}
    verdict = judge(_nodes(), forgotten, _passed(_nodes(), "other"))
    assert not verdict.is_sound


def test_a_source_and_an_ephemeral_model_pass_on_what_they_are():
    def nodes(content):
        return {
            "source": Node("source", "source", "source", content, runs=False),
            "passing": Node(
                "passing", "passing", "model", "1", ("source",), runs=False
            ),
            "model": Node("model", "model", "model", "1", ("passing",)),
        }

    recorded = standing_fingerprints(nodes("1"), {}, {"model": "success"})
    assert judge(nodes("1"), recorded, {}).is_sound
    verdict = judge(nodes("2"), recorded, {})
    assert [node.id for node in verdict.changed] == ["model"]
