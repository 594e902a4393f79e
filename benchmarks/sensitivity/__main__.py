"""Run with `python -m benchmarks.sensitivity`; see `run.py`."""

from .run import main

main()
