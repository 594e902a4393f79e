"""Pages and tables of docs/, from what the project itself declares."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from citypanel.codebook.entries import GRAIN, Table
from citypanel.curve.choices import Choices, load_choices
from citypanel.study.declaration import Declaration

MARKS = (
    "A mark is that of the worst of a specification's values and combinations: "
    "`headline` (the\nbuild's own options), `paper` (every value is what the paper's "
    "text says), `defensible`, or\n`dubious` (a known defect)."
)


def options_page(study: Declaration) -> str:
    """docs/reference/options.md from a study's declaration."""
    lines = [
        "# Options",
        "",
        "Every choice of the study is a dbt var: `dbt build --vars "
        "'{labour_measure: employed}'`.",
        f"Defaults are declared in `studies/{study.name}/study.yml`, which this page "
        "is made from. A",
        "wrong name or value stops the run and lists the right ones. "
        "`marts.dim_study_variants`",
        "records what a file was built with. What each choice does to the headline:",
        "[specifications](../method/specifications.md).",
        "",
        "| option | default | values | step |",
        "|---|---|---|---|",
    ]
    options = [study.options[name] for name in study.build_options]
    for option in options:
        default, values = option.default, study.words_for(option)
        if option.kind == "groups":
            values = "a list of groups under `exclusions` of study.yml; [] for none"
        if option.kind == "switch":
            default, values = str(default).lower(), values.lower()
        lines.append(f"| `{option.name}` | `{default}` | {values} | {option.step} |")
    lines += ["", "## What they mean"]
    for option in options:
        lines += ["", f"**`{option.name}`**: {_pipe_free(option.meaning)}"]
    lines += ["", "## What the specification curve varies", "", MARKS, ""]
    return "\n".join(lines) + "\n" + choice_table(load_choices(study))


def commands_page(parser: argparse.ArgumentParser) -> str:
    """docs/reference/commands.md from the parsers of `citypanel`."""
    lines = [
        "# Commands",
        "",
        "Run from the project's root, in the activated environment "
        "(`. .venv/bin/activate`).",
        "Exit code 0 is success; 1 is an error, whose message ends with what to do; "
        "2 is a wrong flag.",
        "Commands that compute read the published file `citypanel.duckdb` and never "
        "change it.",
        "Progress (count, elapsed, remaining) goes to standard error, every 5 seconds "
        "at most.",
    ]
    for name, command, help_text in _commands(parser):
        lines += ["", f"## citypanel {name}", ""]
        lines.append(_sentence(command.description or help_text))
        flags = [
            action
            for action in command._actions
            if not isinstance(action, argparse._HelpAction)
        ]
        if flags:
            lines += ["", "| flag | default | meaning |", "|---|---|---|"]
        for action in flags:
            lines.append(
                f"| {_flag(action)} | {_default(action)} | {_meaning(action)} |"
            )
    return "\n".join(lines) + "\n"


def marts_page(tables: Sequence[Table]) -> str:
    """docs/reference/marts.md from the tables that the YAML describes."""
    lines = [
        "# Tables",
        "",
        "What people query in `citypanel.duckdb`. Columns, units, sources and formulas "
        "are in the",
        "codebook (`citypanel codebook`), and as comments in the file: `select * from "
        "duckdb_columns()`.",
        "`marts` holds the study, `quality` what is known about its figures.",
    ]
    for schema in dict.fromkeys(table.schema for table in tables):
        lines += ["", f"## {schema}", "", "| table | what | grain |", "|---|---|---|"]
        for table in tables:
            if table.schema == schema:
                before = table.description.partition(GRAIN)[0]
                what = re.split(r"(?<=\.)\s(?=[A-Z1-9])", before.strip())[0]
                grain = " ".join(table.grain.split()).partition(".")[0]
                what = _pipe_free(what).rstrip(".")
                lines.append(f"| `{table.name}` | {what} | {grain} |")
    return "\n".join(lines) + "\n"


def _commands(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield name, command, helps.get(name) or ""


def _flag(action: argparse.Action) -> str:
    takes = action.metavar
    if action.choices:
        takes = "\\|".join(map(str, action.choices))
    elif takes is None and action.nargs != 0:
        takes = action.dest.upper()
    if not action.option_strings:
        return f"`{action.dest}`" + (f" ({takes})" if action.choices else "")
    # A pipe inside code would end the cell in some readers, so choices stand outside.
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    if action.nargs == 0:
        return names
    return f"{names} {takes}"


def _default(action: argparse.Action) -> str:
    # A default that depends on the machine is said in the help.
    if action.nargs == 0 or action.default is None or action.dest == "workers":
        return ""
    if isinstance(action.default, list):
        return ""
    return f"`{action.default}`"


def _meaning(action: argparse.Action) -> str:
    known = {
        "output": "where to write",
        "database": "file to read",
        "language": "language of labels and notes",
        "group_by": "dimensions, with commas between",
        "metrics": "names of metrics, with commas between",
    }
    title = getattr(action, "container").title  # noqa: B009
    text = action.help or known.get(action.dest, title or "")
    return _pipe_free(text.lower() if text == title else text)


def _sentence(text: str) -> str:
    text = _pipe_free(text)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _pipe_free(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def choice_table(choices: Choices) -> str:
    """The declaration as Markdown tables, for the documentation."""
    lines = ["| choice | value | mark | reason |", "|---|---|---|---|"]
    for choice in choices.choices:
        head = f"{choice.label} (`{choice.name}`)"
        if choice.kind == "group":
            lines.append(f"| {head} | none, or a group of `exclusions` |  |  |")
            continue
        for i, value in enumerate(choice.values):
            head = head if i == 0 else ""
            mark = value.mark + (", paper" if value.paper else "")
            lines.append(f"| {head} | `{value.value}` | {mark} | {value.reason} |")
    for head, rules in (
        ("no specification", choices.rules),
        ("dubious together", choices.doubts),
    ):
        lines += ["", f"| {head} | reason |", "|---|---|"]
        for rule in rules:
            when = "; ".join(
                f"`{name}` {_either([str(v) for v in values])}"
                for name, values in rule.when.items()
            )
            lines.append(f"| {when} | {rule.reason} |")
    lines += ["", "| not varied | reason |", "|---|---|"]
    for choice in choices.choices:
        for left_out, reason in choice.left_out.items():
            lines.append(f"| `{choice.name}` {left_out} | {reason} |")
    lines += [f"| `{name}` | {why} |" for name, why in choices.not_varied.items()]
    return "\n".join(lines) + "\n"


def _either(values: Sequence[str]) -> str:
    return (
        values[0] if len(values) == 1 else ", ".join(values[:-1]) + f" or {values[-1]}"
    )
