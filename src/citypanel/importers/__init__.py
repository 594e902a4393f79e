"""Published tables into seeds: yearbooks, rosters of policies, exported series.

`plan_yearbook`, `plan_policy` and `plan_ceic` read files, check every cell and compare
with what the project holds; `Plan.write` then replaces the seeds, all or none of them.
What a file looks like is a spec (`specs`), what a cell holds is read by `cells`, which
city a row is by `places`, and `storage` writes.
"""

from citypanel.importers.project import Plan, plan_ceic, plan_policy, plan_yearbook

__all__ = ["Plan", "plan_ceic", "plan_policy", "plan_yearbook"]
