"""Write the pages beside this file anew: python -m docs.reference.write_pages."""

from pathlib import Path

from tests.support.reference_pages import commands_page, marts_page, options_page

from citypanel.cli import parser
from citypanel.codebook import project_tables
from citypanel.files import write_text
from citypanel.study.declaration import declared

FOLDER = Path(__file__).parent


def pages(project: Path) -> dict[str, str]:
    """The pages of a checkout, by file name."""
    return {
        "commands.md": commands_page(parser()),
        "marts.md": marts_page(project_tables(project)),
        "options.md": options_page(declared()),
    }


if __name__ == "__main__":
    for name, text in pages(FOLDER.parents[1]).items():
        write_text(FOLDER / name, text)
