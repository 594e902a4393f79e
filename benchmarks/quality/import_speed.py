"""Import and validation of 300 cities x 34 years x 200 columns: seconds, peak memory.

    python benchmarks/quality/import_speed.py [--years 34] [--columns 200]

run from the project's root. Each step is a process of its own, so that its peak memory
is its own. The figures are drawn (seed below); the project is a temporary one whose
tables of cities and variables have as many rows as the file asks for, so that every
cell of the file is read, checked and written. Validation is Great Expectations on the
cells that were written: a unique key, and of each column that it is complete and in
its range. Beside each import stands pandas, which only reads the file as text: no
units, no cities matched, no origins, nothing checked and nothing written.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

SEED = 20240705
CITIES, FIRST_YEAR = 300, 1990
PROJECT = Path(__file__).parents[2]


def make_project(root: Path, *, years: int, columns: int) -> list[list]:
    """Reference tables, a spec, and the rows of the file."""
    reference = root / "seeds" / "reference"
    reference.mkdir(parents=True)
    places = _rows(PROJECT / "seeds/reference/ref_prefectures.csv")[:CITIES]
    _write(
        reference / "ref_cities.csv",
        ["city_id", "city_zh", "province_zh"],
        [[row["unit_id"], row["short_zh"], ""] for row in places],
    )
    for name in (
        "ref_city_changes",
        "ref_prefectures",
        "ref_provinces",
        "ref_units",
    ):
        source = PROJECT / "seeds" / "reference" / f"{name}.csv"
        (reference / f"{name}.csv").write_bytes(source.read_bytes())
    _write(
        reference / "ref_variables.csv",
        ["variable", "kind", "unit", "yearbook_column"],
        [[f"v{i}", "yearbook", "CNY 10,000", f"指标{i}(万元)"] for i in range(columns)],
    )
    specs = root / "importers" / "specs"
    specs.mkdir(parents=True)
    entries = "\n".join(
        f"  - {{variable: v{i}, header: 指标{i}, unit: 万元}}" for i in range(columns)
    )
    (specs / "wide.yml").write_text(
        "kind: yearbook\nkeys: {city: 城市, code: 代码, year: 年份}\n"
        f"columns:\n{entries}\n",
        encoding="utf-8",
    )
    generator = np.random.default_rng(SEED)
    figures = np.round(
        generator.lognormal(12, 2, size=(CITIES * years, columns)), 2
    ).tolist()
    keys = [
        [row["unit_zh"], int(row["unit_id"]), FIRST_YEAR + year]
        for row in places
        for year in range(years)
    ]
    header = ["城市", "代码", "年份", *(f"指标{i}(万元)" for i in range(columns))]
    return [header, *(key + row for key, row in zip(keys, figures, strict=True))]


def write_text(path: Path, rows: list[list]) -> None:
    """The rows as UTF-8 text."""
    _write(path, rows[0], rows[1:])


def write_workbook(path: Path, rows: list[list]) -> None:
    """The rows as a workbook of one sheet, texts inline."""
    names = [_letters(column) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows, 1):
        cells = "".join(
            f'<c r="{name}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            if isinstance(cell, str)
            else f'<c r="{name}{number}"><v>{cell}</v></c>'
            for name, cell in zip(names, row, strict=True)
        )
        lines.append(f'<row r="{number}">{cells}</row>')
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    links = f'<Relationships xmlns="{package}/relationships">'
    sheet = "".join(lines)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/workbook.xml" '
            f'ContentType="{kind}.sheet.main+xml"/>'
            '<Override PartName="/xl/worksheets/sheet1.xml" '
            f'ContentType="{kind}.worksheet+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'{links}<Relationship Id="r1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
            '<sheet name="data" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{links}<Relationship Id="r1" Type="{office}/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
        )


def step(name: str, root: Path, file: str) -> None:
    """Run one step and print what it took, as JSON."""
    start = time.perf_counter()
    if name == "import":
        from citypanel.importers import plan_yearbook

        source = file.replace(".", "_")
        plan = plan_yearbook([root / file], project=root, spec="wide", source=source)
        plan.write(root)
    elif name == "read":
        import pandas as pd

        if file.endswith(".csv"):
            pd.read_csv(root / file, dtype=str)
        else:
            pd.read_excel(root / file, dtype=str, engine="calamine")
    else:
        validate(root)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "processor": time.process_time(),
                "peak_mb": _peak_mb(),
            }
        )
    )


def _peak_mb() -> float:
    """Largest resident memory of this process.

    What Linux counts for getrusage begins with the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def validate(root: Path) -> None:
    """The imported cells as a panel, and Great Expectations on every column of it."""
    import duckdb

    from citypanel.quality.expectations import validate_panels

    panel = (
        duckdb.sql(
            "pivot (select city_id, year, variable, cast(value as double) as value "
            f"from read_parquet('{root}/seeds/imported/cells/wide_csv.parquet')) "
            "on variable using any_value(value)"
        )
        .df()
        .astype({"year": int})
    )
    suite = {
        "name": "wide",
        "meta": {"table": "wide", "keys": ["city_id", "year"]},
        "expectations": [
            {
                "type": "expect_compound_columns_to_be_unique",
                "kwargs": {"column_list": ["city_id", "year"]},
                "severity": "critical",
                "meta": {"reason": "a city has one row a year"},
            },
            *(
                {
                    "type": kind,
                    "kwargs": {"column": column} | limits,
                    "severity": "critical",
                    "meta": {
                        "reason": "every figure is published and none is negative"
                    },
                }
                for column in panel.columns[2:]
                for kind, limits in (
                    ("expect_column_values_to_not_be_null", {}),
                    ("expect_column_values_to_be_between", {"min_value": 0}),
                )
            ),
        ],
    }
    folder = root / "expectations"
    folder.mkdir(exist_ok=True)
    (folder / "wide.json").write_text(json.dumps(suite), encoding="utf-8")
    results = validate_panels({"wide": panel}, suites=folder)
    assert results["success"].all()
    assert len(results) == 2 * (len(panel.columns) - 2) + 1


def run(*, years: int, columns: int) -> None:
    """Measure every step and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = make_project(root, years=years, columns=columns)
        write_text(root / "wide.csv", rows)
        write_workbook(root / "wide.xlsx", rows)
        n_cells = CITIES * years * columns
        print(
            f"{CITIES} cities x {years} years x {columns} columns = {n_cells:,} cells"
        )
        print("| step | seconds | processor seconds | peak memory, MB |", flush=True)
        print("|---|---|---|---|", flush=True)
        for label, name, file in (
            ("import of .csv", "import", "wide.csv"),
            ("pandas.read_csv of it", "read", "wide.csv"),
            ("import of .xlsx", "import", "wide.xlsx"),
            ("pandas.read_excel of it", "read", "wide.xlsx"),
            ("validation", "validate", ""),
        ):
            printed = subprocess.run(
                [sys.executable, __file__, "--step", name, str(root), file],
                check=True,
                capture_output=True,
                text=True,
                cwd=PROJECT,
            ).stdout
            took = json.loads(printed.splitlines()[-1])
            print(
                f"| {label} | {took['seconds']:.1f} | {took['processor']:.1f} "
                f"| {took['peak_mb']:.0f} |",
                flush=True,
            )


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, header: list[str], rows: list[list]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=34)
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--step", nargs=3, metavar=("NAME", "ROOT", "FILE"))
    options = parser.parse_args()
    if options.step:
        step(options.step[0], Path(options.step[1]), options.step[2])
    else:
        run(years=options.years, columns=options.columns)
