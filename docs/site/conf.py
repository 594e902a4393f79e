"""Sphinx reads this; `assemble.py` lays out the pages."""

import re
from importlib import metadata

project = "citypanel"
release = metadata.version("citypanel")
html_title = f"citypanel {release}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# A link to code or data of the project leads nowhere on the site, and stays text.
suppress_warnings = ["myst.xref_missing", "myst.header"]
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["shelf.css"]
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False
html_search_language = "en"
html_theme_options = {
    "light_css_variables": {
        "font-stack": "system-ui, 'Noto Sans', 'PingFang SC', 'Microsoft YaHei', "
        "'Noto Sans CJK SC', 'Source Han Sans SC', sans-serif"
    }
}


def _readable(app, what, name, thing, options, lines):
    """Names of parameters on several lines become one line; | is no substitution."""
    text = re.sub(r"(?m)^(\w[\w, ]*,)\n(?=\w)", r"\1 ", "\n".join(lines))
    lines[:] = text.replace("|", r"\|").split("\n")


def _language(app, pagename, templatename, context, doctree):
    """What readers and fonts are told of a page in Chinese."""
    if pagename.startswith("docs/zh/") or pagename.endswith("zh-CN"):
        context["language"] = "zh-CN"


def setup(app):
    """Before napoleon reads the docstrings."""
    app.connect("autodoc-process-docstring", _readable, priority=400)
    app.connect("html-page-context", _language)
