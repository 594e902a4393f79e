"""Make Great Expectations' Data Docs render without a network.

Its templates link to style sheets and scripts on content delivery networks. The few
that the pages need stand in `assets/`; every other link is taken out. A link this
module does not know stops the report: a page that half renders would not be noticed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from citypanel.errors import PublicationError, describe

ASSETS = Path(__file__).with_name("assets")
FOLDER = "static/vendor"

# What a link contains, and the file that takes its place; none where the page does
# without. The first that fits decides.
REPLACEMENTS = (
    ("filter-control", None),
    ("bootstrap-table.min.js", "bootstrap-table.min.js"),
    ("bootstrap-table.min.css", "bootstrap-table.min.css"),
    ("bootstrap-datepicker", None),
    ("bootstrap-dark", None),
    ("bootstrap.min.css", "bootstrap.min.css"),
    ("bootstrap.min.js", "bootstrap.min.js"),
    ("jquery-3.7.1.min.js", "jquery.min.js"),
    ("popper.js", None),
    ("font-awesome", "icons.css"),
    ("/npm/vega", None),
    ("favicon.ico", None),
)

# The icons of the pages as characters, and no room for what was taken out.
ICONS = """\
.fas { font-style: normal; font-weight: 700; }
.fa-check-circle::before { content: "\\2713"; }
.fa-times::before { content: "\\2717"; }
.fa-exclamation-triangle::before { content: "\\26A0"; }
footer, .navbar-brand img, [onclick^="clearTableFilters"] { display: none; }
.navbar-brand a::before { content: "Data Docs"; }
"""

RESOURCE = re.compile(
    r"<link\b[^>]*?>|<script\b[^>]*\bsrc=[^>]*>\s*</script>|<img\b[^>]*>", re.DOTALL
)
ADDRESS = re.compile(
    r"""(?:href|src)=["']((?:https?:)?//[^"']+|[^"']*favicon\.ico)["']"""
)
STYLE_ADDRESS = re.compile(r"""url\(\s*["']?(?:https?:)?//[^)]*\)""")
FOOTER = re.compile(r"<footer>.*?</footer>", re.DOTALL)


def make_offline(site: Path) -> None:
    """Point every page of `site` to local files, and copy those into it.

    Parameters
    ----------
    site : Path
        Folder of the Data Docs.

    Raises
    ------
    PublicationError
        When a page loads something from the network that has no local file.
    """
    vendor = site / FOLDER
    vendor.mkdir(parents=True, exist_ok=True)
    for asset in ASSETS.iterdir():
        if asset.suffix in (".js", ".css") or asset.name.startswith("LICENSE"):
            shutil.copyfile(asset, vendor / asset.name)
    (vendor / "icons.css").write_text(ICONS, encoding="utf-8")
    # Pages carry their style; the pictures are of a walk-through that is not shown.
    for unused in ("fonts", "images", "styles"):
        shutil.rmtree(site / "static" / unused, ignore_errors=True)
    unknown: list[str] = []
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        here = os.path.relpath(vendor, page.parent).replace(os.sep, "/")
        text = RESOURCE.sub(lambda tag, here=here: _local(tag[0], here, unknown), text)
        text = FOOTER.sub("", STYLE_ADDRESS.sub("none", text))
        page.write_text(text, encoding="utf-8")
    if unknown:
        raise PublicationError(
            describe(
                "Pages of the Data Docs load files from the network that this version "
                "does not carry",
                sorted(set(unknown)),
                consequence="the site would not render offline; it was not written",
                remedy="add the file to src/citypanel/quality/assets and its address "
                "to REPLACEMENTS of citypanel.quality.offline",
            )
        )


def asset_sums() -> dict[str, str]:
    """sha256 of the scripts and style sheets that ship, by file name."""
    return {
        asset.name: hashlib.sha256(asset.read_bytes()).hexdigest()
        for asset in sorted(ASSETS.iterdir())
        if asset.suffix in (".js", ".css")
    }


def _local(tag: str, here: str, unknown: list[str]) -> str:
    address = ADDRESS.search(tag)
    if address is None:
        return tag
    if tag.startswith("<img"):
        return ""
    for part, file in REPLACEMENTS:
        if part in address[1]:
            if file is None:
                return ""
            if tag.startswith("<script"):
                return f'<script src="{here}/{file}"></script>'
            return f'<link rel="stylesheet" href="{here}/{file}">'
    unknown.append(address[1])
    return tag
