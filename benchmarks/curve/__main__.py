"""Run with `python -m benchmarks.curve`; see `run.py`."""

from .run import main

main()
