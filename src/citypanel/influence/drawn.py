"""A study with some of its series, or its investment, replaced by other numbers."""

from __future__ import annotations

import numpy as np

from citypanel.influence.headline import Headline, Result, plans_in_window
from citypanel.study.pipeline import Options, Study


class DrawnStudy(Study):
    """A study whose filled series or investment are given, not computed.

    Parameters
    ----------
    study : Study
        Where the rest comes from.
    series : dict of ndarray (cities, years), optional
        In place of `Study.series`.
    investment : ndarray (cities, years), optional
        Real investment in place of that of `Study.investment`; which of it is assumed
        stays.
    """

    def __init__(
        self,
        study: Study,
        *,
        series: dict[str, np.ndarray] | None = None,
        investment: np.ndarray | None = None,
    ):
        super().__init__(study.sources)
        self._of, self._drawn_series = study, series
        self._drawn_investment = investment

    def series(self, options: Options) -> dict[str, np.ndarray]:
        """The series given, or those of the study."""
        if self._drawn_series is None:
            return self._of.series(options)
        return self._drawn_series

    def provinces(self) -> dict[str, np.ndarray]:
        """As the study's."""
        return self._of.provinces()

    def investment(self, options: Options) -> tuple[np.ndarray, np.ndarray]:
        """The investment given, or that of the study's rule on the series given."""
        if self._drawn_investment is None:
            return super().investment(options)
        return self._drawn_investment, self._of.investment(options)[1]


def result_of(headline: Headline, study: Study) -> Result:
    """The headline of another study of the same cities and years."""
    plans = plans_in_window(headline, study)
    return headline.of_plans(plans.outputs, plans.inputs)
