"""The steps of the study, from the sources' readings to the panel of the estimates.

    series  →  inputs  →  capital  →  sample  →  index  →  panel

Each is a function whose parameters say what it needs and which options it takes
(`citypanel.study.graph`). All tables are city x year; a missing value is not a number.
The same functions run in a build, for thousands of options and for a changed cell.
"""
