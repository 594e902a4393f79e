"""Words of the files that circulate, by what they mean (names.yml)."""

from __future__ import annotations

from pathlib import Path

from citypanel.words import load

_NAMES = load(Path(__file__).with_name("names.yml"))


def _by_name(meanings: dict[str, list[str]]) -> dict[str, str]:
    return {name: meant for meant, names in meanings.items() for name in names}


KEY_HEADERS: dict[str, list[str]] = _NAMES["keys"]
OTHER_NAMES = _by_name(_NAMES["variables"])
SPELLINGS: dict[str, list[str]] = _NAMES["units"]
TOTALS = frozenset(_NAMES["totals"])
OLD_FOREIGN: dict[str, str] = _NAMES["old_places"]
LABELS = _by_name(_NAMES["metadata"])
