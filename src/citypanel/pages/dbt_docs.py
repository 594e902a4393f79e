"""dbt's documentation page, so that it keeps the rules that every other page keeps.

`python -m citypanel.pages.dbt_docs FROM TO`, which `make docs` runs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from citypanel.pages import write_page

# Greys of dbt's page that stand out too little from what is behind them.
STYLE = """<style>
.switch-label, .filename .filename-normal, th { color: #4a545b !important; }
</style>
"""


def readable(page: str) -> str:
    """The page with text of enough contrast, which a phone may enlarge.

    >>> page = '<head><meta name="viewport" content="maximum-scale=1"></head>'
    >>> readable(page).partition("<style>")[0].strip()
    '<head><meta name="viewport" content="width=device-width, initial-scale=1">'
    """
    page = re.sub(
        r'(<meta name="viewport" content=")[^"]*"',
        r'\1width=device-width, initial-scale=1"',
        page,
        count=1,
    )
    # The part that scrolls on a phone is reached by the keyboard.
    scrolls = 'class="app-details app-scroll'
    page = page.replace(scrolls, f'tabindex="0" {scrolls}')
    return page.replace("</head>", STYLE + "</head>", 1)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    write_page(target, readable(source.read_text(encoding="utf-8")))
