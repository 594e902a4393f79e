"""A study from an installed wheel, in an empty folder, without a clone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(project, tmp_path_factory) -> Path:
    """The Python of an environment with the wheel beside everything installed here."""
    from flit_core import buildapi

    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        wheel = folder / buildapi.build_wheel(str(folder))
    root = tmp_path_factory.mktemp("installed")
    venv.create(root, with_pip=False)
    site = next(root.rglob("site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        ours = entry.name.startswith(("citypanel", "__pycache__"))
        if not ours and entry.suffix != ".pth" and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    return root / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def test_a_study_is_declared_built_and_reported(project, python, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DBT_")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    panel = project / "studies" / "enterprise_zones" / "city_years.csv"
    cli = ("-P", "-m", "citypanel.cli")
    where = run("-P", "-c", "import citypanel; print(citypanel.__file__)")
    assert str(project) not in where
    assert "dbt_project.yml" in run(*cli, "new", "my_zones", "--panel", str(panel))
    assert "No mistake found" in run(*cli, "check", "my_zones")
    said = run("-P", "-m", "dbt.cli.main", "build", "--vars", "{study: my_zones}")
    assert "published my_zones.duckdb" in said
    run(*cli, "report", "--study", "my_zones")
    page = tmp_path / "outputs" / "my_zones" / "report" / "index.html"
    assert "198 observations of 22 units" in page.read_text(encoding="utf-8")
