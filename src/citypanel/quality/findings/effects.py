"""What the headline becomes when questioned figures are what the rules expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from citypanel.errors import CityPanelError
from citypanel.influence.changed_plans import Change
from citypanel.influence.headline import Headline, Result, result_of
from citypanel.quality.findings.tables import differs
from citypanel.study.options import Options
from citypanel.study.run import Study

# Cities that pass the steps of the study side by side.
AT_ONCE = 4000
ROUNDING = 1e-13

Cell = tuple[str, int, str]


@dataclass(frozen=True)
class Effect:
    """The headline with some figures changed.

    Attributes
    ----------
    estimate : float
        Not a number where the study cannot be computed.
    change : float
        The estimate less the headline; not a number where either is.
    in_errors : float
        The change in standard errors of the headline.
    note : str
        Why there is no estimate.
    """

    estimate: float = np.nan
    change: float = np.nan
    in_errors: float = np.nan
    note: str = ""


class Effects:
    """The headline of a study, and of studies with other figures.

    Parameters
    ----------
    study : Study
    options : Options

    Attributes
    ----------
    headline : Headline or None
        None where the study cannot be computed as it is.
    """

    def __init__(self, study: Study, options: Options):
        self.study, self.options = study, options
        self.headline: Headline | None = None
        with suppress(CityPanelError):
            self.headline = Headline(study, options)

    def of(self, sets: Sequence[Mapping[Cell, float]]) -> list[Effect]:
        """The effect of each set of new figures; a not-a-number leaves a figure out.

        Cities do not reach each other before the frontier: the cities of all sets pass
        the steps side by side. Where a gap takes the cities' common growth each set is
        a study of its own.
        """
        found: list[Effect] = []
        chunk: list[Mapping[Cell, float]] = []
        n_rows = 0
        for new in sets:
            n = len({city for city, *_ in new})
            if chunk and n_rows + n > AT_ONCE:
                found += self._chunk(chunk)
                chunk, n_rows = [], 0
            chunk.append(new)
            n_rows += n
        return found + (self._chunk(chunk) if chunk else [])

    def _chunk(self, sets: Sequence[Mapping[Cell, float]]) -> list[Effect]:
        if self.headline is None or self.options.imputation == "growth_chaining":
            return [self._alone(new) for new in sets]
        try:
            return self._side_by_side(sets)
        except CityPanelError as error:
            # One set that cannot be computed stops those beside it.
            if len(sets) == 1:
                return [Effect(note=str(error).splitlines()[0])]
            half = len(sets) // 2
            return self._chunk(sets[:half]) + self._chunk(sets[half:])

    def _alone(self, new: Mapping[Cell, float]) -> Effect:
        readings = dict(self.study.readings(self.options))
        for name in {name for *_, name in new}:
            readings[name] = readings[name].copy()
        for (city, year, name), value in new.items():
            readings[name][self._place(city, year)] = value
        study = self.study.instead(readings=readings)
        try:
            if self.headline is None:
                return self._effect(Headline(study, self.options).result)
            return self._effect(result_of(self.headline, study))
        except CityPanelError as error:
            return Effect(note=str(error).splitlines()[0])

    def _side_by_side(self, sets: Sequence[Mapping[Cell, float]]) -> list[Effect]:
        headline, study = self.headline, self.study
        assert headline is not None
        plan_at = {code: i for i, code in enumerate(headline.plans.cities)}
        members = [sorted({c for c, *_ in new} & plan_at.keys()) for new in sets]
        rows = [study.grid.city_at[city] for cities in members for city in cities]
        if not rows:
            return [self._effect(headline.result) for _ in sets]
        names = [f"{i:06d}|{city}" for i, cs in enumerate(members) for city in cs]
        base = study.readings(self.options)
        readings = {name: table[rows] for name, table in base.items()}
        copy_at = {name: place for place, name in enumerate(names)}
        for i, new in enumerate(sets):
            for (city, year, name), value in new.items():
                copy = copy_at.get(f"{i:06d}|{city}")
                if copy is not None:
                    readings[name][copy, self._place(city, year)[1]] = value
        copies = study.side_by_side(rows, names, readings=readings)
        sample, window = copies.sample(self.options), headline.window
        kept = sample.is_in_sample[:, window]
        outputs = np.where(kept, sample.output[:, window], np.nan)
        inputs = np.stack([sample.capital[:, window], sample.labour[:, window]], axis=2)
        inputs = np.where(kept[:, :, None], inputs, np.nan)
        found, start = [], 0
        for cities in members:
            mine = slice(start, start + len(cities))
            start = mine.stop
            places = np.array([plan_at[city] for city in cities], dtype=int)
            old, new = headline.plans.outputs[places], outputs[mine]
            moves = differs(old, new, ROUNDING).any(axis=1)
            old, new = headline.plans.inputs[places], inputs[mine]
            moves |= differs(old, new, ROUNDING).any(axis=(1, 2))
            if not moves.any():
                found.append(self._effect(headline.result))
                continue
            change = Change(places[moves], outputs[mine][moves], inputs[mine][moves])
            found.append(self._effect(headline.changed(change)))
        return found

    def _place(self, city: str, year: int) -> tuple[int, int]:
        return self.study.grid.city_at[city], int(
            np.searchsorted(self.study.years, year)
        )

    def _effect(self, result: Result) -> Effect:
        if self.headline is None:
            return Effect(estimate=result.estimate)
        base = self.headline.result
        change = result.estimate - base.estimate
        return Effect(result.estimate, change, change / base.std_error)
