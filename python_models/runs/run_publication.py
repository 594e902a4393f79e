from pathlib import Path

from citypanel.warehouse import publish


def model(dbt, session):
    contents = dbt.ref("run_contents").df()
    run = session.sql("select * from runs.current_invocation").df().iloc[0]
    contents["published"] = bool(run["is_full_build"])
    if run["is_full_build"]:
        publish(session, target=Path("citypanel.duckdb"))
    return contents
