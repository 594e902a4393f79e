"""Look at an installation and a project: what stands in the way, and the way out.

It starts neither dbt nor anything that may itself be broken: `installation` needs the
standard library alone, and `project` what it names in `NEEDED`.
"""

from citypanel.doctor.findings import Finding, Status
from citypanel.doctor.installation import examine_installation

__all__ = ["Finding", "Status", "examine", "examine_installation"]


def examine(root):
    """Return the findings on the installation and on the project in a folder.

    Parameters
    ----------
    root : Path
        Folder of dbt_project.yml.

    Returns
    -------
    list of Finding
        One a check, or one a file where files differ; in the order of the checks.
    """
    findings = examine_installation(root)
    try:
        from citypanel.doctor.project import examine_project
    except ImportError as error:
        detail = f"not looked at: {error.name or 'a package'} cannot be imported"
        remedy = "install what requirements.lock names: make build does."
        return [*findings, Finding("project", Status.PROBLEM, detail, remedy)]
    return findings + examine_project(root)
