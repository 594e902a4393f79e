"""Run with `python -m benchmarks.frontier`; see `run.py`."""

from .run import main

main()
