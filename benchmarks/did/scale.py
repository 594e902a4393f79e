"""A Parquet file of a simulated panel, for `run.py --parquet`.

    python benchmarks/did/scale.py 5000000 panel.parquet

writes that many cities over 20 years, written by DuckDB without holding them in memory.
"""

from __future__ import annotations

import sys

import duckdb

SQL = """
copy (
    with cities as (
        select
            i as city_id,
            [0, 0, 2006, 2010, 2014][1 + (hash(i) % 5)::int] as cohort,
            (hash(7 * i) % 1000) / 100.0 as level,
        from range({cities}) as numbers(i)
    ),
    final as (
        select
            city_id,
            cohort,
            2000 + years.k as year,
            (cohort > 0 and 2000 + years.k >= cohort)::double as sydid,
            level + sqrt(-2 * ln(((hash(31 * city_id + k) % 1000003) + 1) / 1000004.0))
            * cos(2 * pi() * (hash(17 * city_id + k + 5) % 1000003) / 1000003.0)
            + 0.1 * (cohort > 0 and 2000 + years.k >= cohort)::int as y,
            (hash(13 * city_id + 3 * k) % 1000003) / 1000003.0 as x1,
            k * (hash(city_id) % 101) / 101.0
            + (hash(11 * city_id + 7 * k + 1) % 1000003) / 1000003.0 as x2,
        from cities
        cross join range(20) as years(k)
    )
    select * from final
) to '{path}' (format parquet)
"""


def write(cities: int, path: str) -> None:
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute(SQL.format(cities=cities, path=path))


def main() -> None:
    cities, path = sys.argv[1:]
    write(int(cities), path)


if __name__ == "__main__":
    main()
