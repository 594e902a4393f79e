"""Panels of units over time and estimates of place-based policies."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["__version__", "evaluate"]


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is asked for."""
    if name == "evaluate":
        try:
            from citypanel.study.own.evaluate import evaluate
        except ModuleNotFoundError as error:
            raise ImportError(
                f"citypanel.evaluate needs {error.name}, which is not installed: "
                "python -m pip install 'citypanel[warehouse]'"
            ) from error
        return evaluate
    if name in ("capital", "did", "examples", "frontier", "importers"):
        return importlib.import_module(f"citypanel.{name}")
    if name == "__version__":
        from importlib import metadata

        return metadata.version("citypanel")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
