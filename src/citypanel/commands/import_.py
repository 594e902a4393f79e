"""`citypanel import`: published tables into seeds, all or nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import add_quiet, say_unless_quiet

KINDS = ("yearbook", "ceic", "policy", "dataverse")
ORIGIN = ("publisher", "title", "edition", "retrieved_from", "date", "rights")


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "import",
        help="turn published tables into seeds that dbt build reads",
        description="Read yearbook tables, series, rosters of a policy or a Dataverse "
        "file, check every cell, and write the seeds: all of them or none. "
        "docs/how-to/import.md shows it step by step.",
    )
    parser.add_argument("kind", nargs="?", choices=KINDS, help="what the files are")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="files; for dataverse a DOI"
    )
    parser.add_argument("--spec", metavar="NAME", help="what the files look like")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what was understood, write nothing"
    )
    parser.add_argument(
        "--suggest", metavar="FILE", help="write a spec from the headers of FILE"
    )
    parser.add_argument(
        "--recover", action="store_true", help="finish an import that was interrupted"
    )
    yearbook = parser.add_argument_group("yearbook and dataverse")
    yearbook.add_argument("--source", metavar="NAME", help="name of the source")
    yearbook.add_argument(
        "--precedence", type=int, default=9, metavar="N",
        help="rank among the sources of a cell: 0 before the shipped ones (1, 2), "
        "9 after them (default)",
    )  # fmt: skip
    yearbook.add_argument(
        "--accept-difference", action="store_true",
        help="import although units or years look shifted against the shipped figures",
    )  # fmt: skip
    yearbook.add_argument(
        "--zeros-are-gaps", action="store_true",
        help="take 0 for a gap where no city can have it: output, people, land",
    )  # fmt: skip
    parser.add_argument(
        "--allow-unmatched", action="store_true",
        help="yearbook, policy: go on although places are unknown",
    )  # fmt: skip
    roster = parser.add_argument_group("policy")
    roster.add_argument("--name", help="its name, for dbt's option policy")
    roster.add_argument(
        "--districts", choices=("city", "leave_out"),
        help="districts and counties count as their city, or are left out",
    )  # fmt: skip
    roster.add_argument(
        "--twice", choices=("refuse", "earliest"), default="refuse",
        help="a unit in several rows is refused (default), or takes the earliest",
    )  # fmt: skip
    roster.add_argument(
        "--times", default="refuse", metavar="RULE",
        help="times of day: refuse (default), as_written, or how far home is ahead of "
        "the clock that wrote them, such as +08:00",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true",
        help="ceic: put series in place of others of the same quantity; yearbook: put "
        "the import in place of everything that its source holds",
    )  # fmt: skip
    dataverse = parser.add_argument_group("dataverse")
    dataverse.add_argument("--file", metavar="NAME", help="file of the dataset")
    dataverse.add_argument("--server", metavar="URL", help="address of the Dataverse")
    dataverse.add_argument("--cache", metavar="FOLDER", help="where downloads are kept")
    origin = parser.add_argument_group("origin, for raw_imported_sources")
    for name in ORIGIN:
        origin.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="TEXT")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Plan the import, tell what was understood, and write it."""
    project = Path.cwd()
    if options.recover:
        _recover(project)
        return
    if options.suggest:
        from citypanel.importers.suggestions import suggest

        spec, told = suggest(Path(options.suggest), project=project)
        print(f"{told}\nSpec: {spec.relative_to(project)}")
        is_policy = "kind: policy" in spec.read_text(encoding="utf-8")
        print(f"Next: correct it, then citypanel import "
              f"{'policy' if is_policy else 'yearbook'} {options.suggest} "
              f"--spec {spec.stem} --dry-run")  # fmt: skip
        return
    if not options.kind or not options.files:
        from citypanel.errors import OptionError, describe

        raise OptionError(
            describe(
                "citypanel import needs to know what to import",
                consequence="nothing was imported",
                remedy="citypanel import yearbook|ceic|policy FILE..., citypanel "
                "import "
                "dataverse DOI, or citypanel import --suggest FILE",
            )
        )
    plan = _plan(options, project)
    if plan is None:
        return
    # What a dry run is for is what it says.
    if options.dry_run or not options.quiet:
        print(plan.told)
    if options.dry_run:
        print("\nDry run: nothing was written.")
        return
    plan.write(project)
    if options.quiet:
        return
    print("\nWritten:")
    for path in sorted(plan.contents):
        print(f"  {path}")
    print(f"Next: {plan.next_step}")


def _plan(options: argparse.Namespace, project: Path):
    from citypanel import importers

    origin = {name: getattr(options, name) or "" for name in ORIGIN}
    paths = [Path(name) for name in options.files]
    if options.kind == "dataverse":
        paths, origin = _download(options, origin)
        if not paths:
            return None
    if options.kind in ("yearbook", "dataverse"):
        return importers.plan_yearbook(
            paths,
            project=project,
            spec=options.spec,
            source=options.source,
            precedence=options.precedence,
            origin=origin,
            allow_unmatched=options.allow_unmatched,
            accept_difference=options.accept_difference,
            zeros_are_gaps=options.zeros_are_gaps,
            replace=options.replace,
            say=say_unless_quiet(options),
        )
    if options.kind == "policy":
        return importers.plan_policy(
            paths,
            project=project,
            spec=options.spec,
            name=options.name,
            origin=origin,
            allow_unmatched=options.allow_unmatched,
            districts=options.districts,
            twice=options.twice,
            times=options.times,
        )
    return importers.plan_ceic(
        paths,
        project=project,
        spec=options.spec,
        origin=origin,
        replace=options.replace,
    )


def _download(options: argparse.Namespace, origin: dict[str, str]):
    from citypanel.errors import OptionError, describe
    from citypanel.importers import dataverse

    if len(options.files) != 1:
        raise OptionError(
            describe(
                "citypanel import dataverse takes one DOI",
                consequence="nothing was imported",
                remedy="name the file of the dataset with --file",
            )
        )
    cache = Path(options.cache) if options.cache else dataverse.default_cache()
    dataset = dataverse.find_dataset(
        options.files[0], server=options.server or dataverse.SERVER, cache=cache
    )
    if dataset.from_cache:
        print("The server did not answer; the metadata are those of the last visit.")
    if not options.file:
        print(
            f"doi:{dataset.doi}, {dataset.origin['title']}: {len(dataset.files)} files"
        )
        for file in dataset.files:
            print(f"  {file.name} ({file.size:,} bytes)")
        print("Next: name one with --file")
        return [], origin
    path = dataverse.fetch(dataset, options.file, cache=cache)
    return [path], {key: origin[key] or dataset.origin.get(key, "") for key in origin}


def _recover(project: Path) -> None:
    from citypanel.importers.storage import locked, recover

    with locked(project):
        found = recover(project)
    print(
        {
            "nothing": "No import was interrupted.",
            "cleared": "An import was interrupted before it was decided: the seeds are "
            "the old ones, and its leftovers are gone.",
            "finished": "An import was interrupted after it was decided: it is now "
            "finished, and the seeds are the new ones.",
        }[found]
    )
