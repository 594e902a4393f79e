"""How tables and figures are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from citypanel.curve.summary import is_papers_question
from citypanel.outputs.facts.labels import Labels, labels_of
from citypanel.study.declaration import declared
from citypanel.words import LABELS, LANGUAGES, Words, same

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Style:
    """How tables and figures are written.

    Attributes
    ----------
    language : str
        en or zh.
    stars : bool
        Marks at the 10, 5 and 1 per cent level.
    intervals : bool
        Tables have 95 per cent intervals in place of standard errors.
    overlay : bool
        Every estimator in the event study.
    """

    language: str = "en"
    stars: bool = False
    intervals: bool = False
    overlay: bool = False

    def __call__(self, words: Words) -> str:
        """The words in this language."""
        return words.said(self.language)

    def label(self, group: str, key: str) -> str:
        """A label of `words/*/labels.yml`; the key itself where it has none."""
        return self(LABELS.label(group, key))

    def column(self, name: str) -> str:
        """The column of a mart in this language: label gives label_en or label_zh."""
        return f"{name}_{self.language}"


@dataclass(frozen=True)
class Maker:
    """A table or figure: its name, the marts it needs, those it can do without."""

    name: str
    needs: tuple[str, ...]
    make: Callable[[Frames, Style], Any]
    wants: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """As printed before the title: 3, A1."""
        return self.name.split("_")[1].upper()


def headline(marts: Frames) -> pd.Series:
    """The options of the headline."""
    options = marts["dim_study_variants"]
    return options.set_index("variant", drop=False).loc["headline"]


def city_names(marts: Frames, o: Style) -> pd.Series:
    """What the cities are called, by their ids."""
    return marts["dim_cities"].set_index("city_id")[o.column("city")]


def study_labels(marts: Frames) -> Labels:
    """How the study of the file is spoken of."""
    return labels_of(str(headline(marts)["policy"]))


def spoken(marts: Frames) -> dict[str, Words]:
    """The study's words, as fields of templates: policies, units and the like."""
    return study_labels(marts).said


def is_papers(marts: Frames) -> bool:
    """Whether the question of the file is the paper's, so that its numbers compare."""
    return study_labels(marts).paper is not None and is_papers_question(headline(marts))


def variants(marts: Frames) -> pd.DataFrame:
    """The variants in their order, with their labels in `label`."""
    frame = marts["dim_study_variants"].sort_values("variant_order")
    return frame.assign(label=[LABELS.label("variants", v) for v in frame["variant"]])


def region_names() -> dict[str, Words]:
    """The study's regions, in the order in which tables and figures list them."""
    regions = declared().regions
    return {key: Words(*(said[o] for o in LANGUAGES)) for key, said in regions.items()}


def region_name(key: str) -> Words:
    """A region in words; the key itself where it is none."""
    return region_names().get(key, same(key))


def exclusion_name(key: str) -> Words:
    """A sample without a group of cities, or of one region, in words."""
    group = declared().exclusions.get(key.removeprefix("without_"))
    if key.startswith("without_") and group:
        return Words(*(group.label[language] for language in LANGUAGES))
    if key in region_names():
        return LABELS("region_only", region=region_name(key))
    return same(key)
