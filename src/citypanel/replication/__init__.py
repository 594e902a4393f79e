"""A replication package: what a data editor asks for, from a published build."""

from citypanel.replication.archive import Member, archive_bytes, sha256sums
from citypanel.replication.build_log import BuildLog, read_build_log
from citypanel.replication.contents import (
    output_members,
    project_members,
    refuse_stale,
)
from citypanel.replication.fingerprints import compare, fingerprints
from citypanel.replication.manifest import manifest, options_of
from citypanel.replication.origins import Origin, read_origins
from citypanel.replication.programs import program_map
from citypanel.replication.readme import readme

__all__ = [
    "BuildLog",
    "Member",
    "Origin",
    "archive_bytes",
    "compare",
    "fingerprints",
    "manifest",
    "options_of",
    "output_members",
    "program_map",
    "project_members",
    "read_build_log",
    "read_origins",
    "readme",
    "refuse_stale",
    "sha256sums",
]
