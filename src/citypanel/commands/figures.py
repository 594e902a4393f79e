"""`citypanel figures`: the figures of the published file."""

from __future__ import annotations

import argparse


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    commands.add_parser("figures")
