"""The house keeps its rules: the private stays private, words stand in catalogues."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator

import pytest
import yaml

import citypanel
from citypanel import words
from citypanel.cli import main

CATALOGUES = sorted(path.stem for path in (words.FOLDER / "en").glob("*.yml"))


def _modules(project) -> Iterator[tuple[str, ast.Module]]:
    for folder in ("src", "python_models", "benchmarks"):
        for path in sorted((project / folder).rglob("*.py")):
            name = path.relative_to(project).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def test_no_module_takes_a_private_name_of_another(project):
    taken = []
    for path, tree in _modules(project):
        ours = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "citypanel"
            ):
                ours |= {alias.asname or alias.name for alias in node.names}
                taken += [
                    (path, f"{node.module}.{alias.name}")
                    for alias in node.names
                    if alias.name.startswith("_")
                ]
        taken += [
            (path, f"{node.value.id}.{node.attr}")
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ours
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ]
    assert not taken


# Words of the study, which every template has as fields.
OF_STUDY = {
    "policy", "policies", "Policies", "unit", "units", "Units", "outcome", "Outcome",
}  # fmt: skip


def _leaves(entry: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(entry, dict):
        for key, value in entry.items():
            yield from _leaves(value, f"{name}.{key}")
    else:
        yield name, str(entry)


def _fields(template: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(template) if field}


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_says_the_same_in_each_language(name):
    chinese = words.FOLDER / "zh" / f"{name}.yml"
    if not chinese.is_file():
        pytest.skip("a page in English only")
    found = [
        dict(_leaves(yaml.safe_load(path.read_text(encoding="utf-8"))))
        for path in (words.FOLDER / "en" / f"{name}.yml", chinese)
    ]
    assert list(found[0]) == list(found[1])
    for key, english in found[0].items():
        # A language may leave out a plural's count, or name what the other implies.
        assert _fields(found[1][key]) <= _fields(english) | {"n"} | OF_STUDY, key
        assert english != found[1][key] or not re.search(r"[a-z]{4} [a-z]{4}", english)


def _speaks(function: ast.expr, speakers: bool) -> bool:
    """SAID(...); of a module's Speaker also say(...), say.words, say.estimate."""
    if isinstance(function, ast.Attribute) and function.attr in ("words", "estimate"):
        return speakers and getattr(function.value, "id", "") == "say"
    name = getattr(function, "id", "")
    return name in ("SAID", "said") or (speakers and name == "say")


def test_every_sentence_that_the_code_asks_for_is_there(project):
    """`SAID("name")` names an entry of the catalogue its module says."""
    asked = 0
    catalogues: dict[str, str] = {}
    uses = []
    for path, tree in _modules(project):
        module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        own = {}
        speakers = any(
            isinstance(node, ast.ClassDef) and node.name == "Speaker"
            for node in ast.walk(tree)
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                call = node.value
                if getattr(call.func, "id", "") == "Catalogue":
                    variable = node.targets[0].id
                    own[variable] = call.args[0].value
                    if variable == "SAID":
                        catalogues[module] = call.args[0].value
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if alias.name == "SAID":
                        own["SAID"] = node.module
                    if alias.name == "sentences":
                        own.setdefault("SAID", f"{node.module}.sentences")
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                speaker = getattr(node.func, "id", "")
                if "SAID" in own and _speaks(node.func, speakers):
                    speaker = "SAID"
                if speaker in own:
                    uses.append((path, own[speaker], node.args[0].value))
    for path, catalogue, name in uses:
        known = words.Catalogue(catalogues.get(catalogue, catalogue))
        assert name in known, (path, name)
        asked += 1
    assert asked > 200


def test_every_error_that_the_code_raises_is_worded(project):
    """`XError.of("folder.name", ..., fact=...)` gives each fact its message names."""
    wanted = yaml.safe_load((words.FOLDER / "en" / "errors.yml").read_text("utf-8"))
    raised = set()
    for path, tree in _modules(project):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "of"
                and isinstance(node.func.value, ast.Name)
                and isinstance(node.args[0], ast.Constant)
                and re.fullmatch(r"\w+\.\w+", key := str(node.args[0].value))
            ):
                folder, name = key.split(".")
                message = wanted[folder][name]
                facts = {keyword.arg for keyword in node.keywords}
                asked = {re.split(r"[.\[!]", f)[0] for p in message.values()
                         for f in _fields(p)}  # fmt: skip
                assert asked == facts, (path, key)
                raised.add(key)
    assert raised == {f"{a}.{b}" for a, group in wanted.items() for b in group}


def test_what_dbt_reads_before_a_declaration_has_the_declared_defaults(project):
    """dbt cannot parse a declaration, so these defaults stand in its own file too."""
    settings = yaml.safe_load((project / "dbt_project.yml").read_text("utf-8"))
    declared = yaml.safe_load(
        (project / "studies" / "pilot_zones" / "study.yml").read_text("utf-8")
    )["options"]
    assert settings["vars"]
    for name, default in settings["vars"].items():
        assert default == declared[name]["default"], name


def test_the_version_is_the_installed_one(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert re.fullmatch(r"citypanel \d+\.\d+\.\d+(\.dev\d+)?\n", said)
    assert said == f"citypanel {citypanel.__version__}\n"


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_set(node.left) or _is_set(node.right)
    called = node.func if isinstance(node, ast.Call) else None
    made = isinstance(called, ast.Name) and called.id in ("set", "frozenset")
    return made or isinstance(node, ast.Set | ast.SetComp)


def _ordered(node: ast.AST) -> ast.expr | None:
    """What a call puts into an order that others can see."""
    if isinstance(node, ast.Starred):
        return node.value
    if not isinstance(node, ast.Call) or not node.args:
        return None
    called = node.func
    if isinstance(called, ast.Name) and called.id in ("list", "tuple", "enumerate"):
        return node.args[0]
    if isinstance(called, ast.Name) and called.id == "sorted" and node.keywords:
        return node.args[0]  # a key may tie
    if isinstance(called, ast.Attribute) and called.attr == "join":
        return node.args[0]
    return None


def test_no_order_is_that_of_a_set(project):
    """It changes from one start of Python to the next, and a page's rows with it."""
    found = [
        (path, node.lineno, ast.unparse(node)[:80])
        for path, tree in _modules(project)
        for node in ast.walk(tree)
        if (taken := _ordered(node)) is not None and _is_set(taken)
    ]
    # Sets that are only joined with others have no order to lose.
    assert [each for each in found if not each[2].startswith("*")] == []


def test_the_rule_on_sets_sees_what_it_should():
    for text in (
        "sorted({a for a in b}, key=c)", "list(set(a))", "', '.join({1, 2})",
        "tuple(frozenset(a) - b)",
    ):  # fmt: skip
        taken = _ordered(ast.parse(text, mode="eval").body)
        assert taken is not None and _is_set(taken), text
    assert _ordered(ast.parse("sorted({1, 2})", mode="eval").body) is None


def test_every_mistake_of_a_declaration_is_worded(project):
    """`report(path, "name", fact=...)` gives each fact its message names."""
    catalogue = words.load(words.FOLDER / "en" / "mistakes.yml")
    written, told = set(), 0
    for path, tree in _modules(project):
        if "/study/" not in str(path):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                written.add(node.value)
            function = getattr(node, "func", None)
            name = getattr(function, "attr", getattr(function, "id", ""))
            problem = getattr(getattr(function, "value", None), "id", "") == "Problem"
            speaks = name in ("report", "say") or (name == "of" and problem)
            if not speaks or len(node.args) < 2:
                continue
            key = node.args[1]
            facts = {keyword.arg for keyword in node.keywords}
            if isinstance(key, ast.Constant) and key.value in catalogue:
                message = catalogue[key.value]
                asked = {re.split(r"[.\[!]", f)[0] for p in message.values()
                         for f in _fields(p)}  # fmt: skip
                given = facts - {None}
                assert given <= asked, (path, key.value)
                assert None in facts or facts == asked, (path, key.value)
                told += 1
            else:
                assert not isinstance(key, ast.Constant), (path, key.value)
    assert set(catalogue) <= written
    assert told > 60
