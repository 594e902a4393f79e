"""`citypanel import`: published tables into seeds, all or nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import say_unless_quiet
from citypanel.errors import OptionError

ORIGIN = ("publisher", "title", "edition", "retrieved_from", "date", "rights")


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
        raise OptionError.of("commands.nothing_to_import")
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
    from citypanel.importers import dataverse

    if len(options.files) != 1:
        raise OptionError.of("commands.one_doi")
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
