"""Kills, full disks, locks, closed folders, foreign files: nothing published is lost.

Whatever happens to a build, citypanel.duckdb is the old one or the new one, whole, and
the last words on the screen say what to do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

YEARBOOK = "raw_yearbook_city_years"
KILLS_ANYWHERE = 40
KILLS_IN_PUBLICATION = 12


def _start(project, *arguments, output=subprocess.PIPE):
    """A build in a session of its own, so that its workers can be killed with it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DBT_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    dbt = os.path.join(os.path.dirname(sys.executable), "dbt")
    return subprocess.Popen(
        [dbt, "--no-use-colors", "build", *arguments],
        cwd=project.root,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _leftovers(project):
    return sorted(project.root.glob(".citypanel.duckdb.*"))


def _two_versions(project):
    """The yearbook as it ships, and with Tianjin's output of 2012 a little higher."""
    text = project.seed(YEARBOOK).read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("2012,天津市"))
    cells = row.split(",")
    cells[3] = str(int(cells[3]) + 1)
    return [text, text.replace(row, ",".join(cells))]


@pytest.mark.slow
def test_after_fifty_kills_the_published_file_is_old_or_new(workshop, tmp_path):
    random = np.random.default_rng(20240705)
    texts, prints = _two_versions(workshop), [workshop.fingerprints()]
    workshop.seed(YEARBOOK).write_text(texts[1], encoding="utf-8")
    begin = time.monotonic()
    result = workshop.dbt("build")
    took = time.monotonic() - begin
    assert result.returncode == 0, result.stdout
    prints.append(workshop.fingerprints())
    assert prints[0] != prints[1]

    published, kills, log = 1, [], tmp_path / "killed.log"
    plan = [False] * KILLS_ANYWHERE + [True] * KILLS_IN_PUBLICATION
    random.shuffle(plan)
    for in_publication in plan:
        killed = False
        while not killed:
            wanted = 1 - published
            workshop.seed(YEARBOOK).write_text(texts[wanted], encoding="utf-8")
            with log.open("w") as output:
                begin = time.monotonic()
                build = _start(workshop, output=output)
                if in_publication:
                    rests = set(_leftovers(workshop))
                    while not set(_leftovers(workshop)) - rests:
                        assert build.poll() is None, log.read_text()
                        time.sleep(0.005)
                    time.sleep(random.uniform(0, 1.0))
                else:
                    time.sleep(random.uniform(0, took))
                killed = build.poll() is None
                elapsed = time.monotonic() - begin
                # Every other time the workers live on, as after the kernel's own kill.
                if killed and len(kills) % 2:
                    os.killpg(build.pid, signal.SIGKILL)
                elif killed:
                    build.kill()
                code = build.wait()
            assert killed or code == 0, log.read_text()
            found = prints.index(workshop.fingerprints())
            assert killed or found == wanted
            if killed:
                if found == wanted:
                    stage = "after publication"
                elif _leftovers(workshop):
                    stage = "in publication"
                else:
                    stage = "before publication"
                kills.append((stage, elapsed / took))
                print(f"kill {len(kills)}: {stage}, after {elapsed:.1f} s", flush=True)
            else:
                took = elapsed
            published = found

    counts = Counter(stage for stage, _ in kills)
    shares = sorted(share for _, share in kills)
    print(f"\nkills: {dict(counts)}; at these shares of a build: "
          f"{', '.join(f'{share:.2f}' for share in shares)}")  # fmt: skip
    assert len(kills) >= 50
    assert counts["before publication"] and counts["in publication"]

    workshop.seed(YEARBOOK).write_text(texts[1 - published], encoding="utf-8")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    assert workshop.fingerprints() == prints[1 - published]
    assert not _leftovers(workshop)
