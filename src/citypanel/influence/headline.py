"""The headline as a function of plans, ready to be evaluated thousands of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citypanel.errors import EstimationError
from citypanel.influence.changed_plans import Change, Indices
from citypanel.study.effect import EffectDesign, outcome_of
from citypanel.study.options import Options
from citypanel.study.plans import Plans, plans_of
from citypanel.study.run import Study


@dataclass(frozen=True)
class Result:
    """What the study says: the effect, and the index behind it.

    Attributes
    ----------
    estimate, std_error, p_value : float
        Not a number where the effect is not identified.
    mean, std_dev, minimum, maximum : float
        Of tfpch over the city-years of the regression.
    n_obs, n_cities : int
    """

    estimate: float
    std_error: float
    p_value: float
    mean: float
    std_dev: float
    minimum: float
    maximum: float
    n_obs: int
    n_cities: int


class Headline:
    """The headline of a study, and what becomes of it when some plans change.

    outcome_it = city_i + year_t + b sydid_it + e_it, standard errors clustered by city
    (Table 3, column 1).

    Parameters
    ----------
    study : Study
        The sources.
    options : Options
        One value per option; `controls`, `exclusion` and `estimator` are those of the
        headline: none, none, twfe.

    Attributes
    ----------
    plans : Plans
        The sample.
    indices : Indices
    treatment : ndarray (n, T)
    region : ndarray (n,)
    result : Result
        The headline itself.

    Raises
    ------
    EstimationError
        When the effect is not identified with the plans as they are.
    """

    def __init__(self, study: Study, options: Options):
        self.study, self.options = study, options
        rows = study.technology(options)
        self.plans = plans_of(rows)
        regions = rows.groupby("city_id")["region"].first()
        self.region = regions.reindex(self.plans.cities).to_numpy(object)
        self.at = np.array([study.grid.city_at[code] for code in self.plans.cities])
        self.window = np.searchsorted(study.years, self.plans.years)
        policy = study.exposure(options)
        self.treatment = policy["exposure"][np.ix_(self.at, self.window)]
        cohort = policy["cohort"][self.at]
        self.cohort = np.where(cohort <= options.last_year, cohort, 0)
        self.indices = Indices(self.plans, options, self.region)
        outcome, tfpch = self.outcomes(self.indices.base, self.plans.present)
        self.base_outcome, self.base_tfpch = outcome, tfpch
        self.rows = np.isfinite(outcome)
        self.design = EffectDesign(self.treatment, self.rows, options.standard_errors)
        if not self.design.identified:
            raise EstimationError.of("influence.not_identified")
        self.result = self._summary(self.design, outcome, tfpch, self.rows)

    @property
    def treated(self) -> np.ndarray:
        """Cities with a zone by the last year, (n,) of bool."""
        return self.cohort > 0

    def outcomes(
        self, indices: dict[str, np.ndarray], present: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The regression's outcome and tfpch, each (n, T)."""
        first = self.options.first_index_year
        tfpch = outcome_of(indices, present, outcome="tfpch", first_index_year=first)
        if (name := self.options.outcome) == "tfpch":
            return tfpch, tfpch
        return outcome_of(indices, present, outcome=name, first_index_year=first), tfpch

    def changed(self, change: Change) -> Result:
        """The headline with some plans changed, everything else recomputed."""
        indices, present = self.indices.changed(change), self.present_after(change)
        return self.of_outcome(*self.outcomes(indices, present))

    def present_after(self, change: Change) -> np.ndarray:
        """Which plans there are after a change, (n, T) of bool."""
        present = self.plans.present.copy()
        present[change.rows] = np.isfinite(change.outputs)
        return present

    def of_outcome(self, outcome: np.ndarray, tfpch: np.ndarray) -> Result:
        """The headline of a given outcome (n, T), missing where it does not enter."""
        rows = np.isfinite(outcome)
        design = self.design
        if not np.array_equal(rows, self.rows):
            design = EffectDesign(self.treatment, rows, self.options.standard_errors)
        return self._summary(design, outcome, tfpch, rows)

    def without_rows(self, dropped: np.ndarray) -> Result:
        """The headline with some city-years out of the regression only.

        Parameters
        ----------
        dropped : ndarray (n, T) of bool
        """
        outcome = np.where(dropped, np.nan, self.base_outcome)
        return self.of_outcome(outcome, np.where(dropped, np.nan, self.base_tfpch))

    def _summary(self, design, outcome, tfpch, rows) -> Result:
        effect = design.fit(outcome)
        values = tfpch[rows & np.isfinite(tfpch)]
        some = len(values) > 1
        return Result(
            estimate=float(effect.estimate),
            std_error=float(effect.std_error),
            p_value=float(effect.p_value),
            mean=float(values.mean()) if some else np.nan,
            std_dev=float(values.std(ddof=1)) if some else np.nan,
            minimum=float(values.min()) if some else np.nan,
            maximum=float(values.max()) if some else np.nan,
            n_obs=int(rows.sum()),
            n_cities=int(rows.any(axis=1).sum()),
        )


def plans_in_window(headline: Headline, study: Study) -> Plans:
    """The sample's plans of another study with the same cities, years and options.

    Cities that leave the sample there have no plan; cities that enter are left out.
    """
    sample = study.sample(headline.options)
    window = np.ix_(headline.at, headline.window)
    kept = sample.is_in_sample[window]
    inputs = np.stack([sample.capital[window], sample.labour[window]], axis=2)
    return Plans(
        headline.plans.cities,
        headline.plans.years,
        np.where(kept, sample.output[window], np.nan),
        np.where(kept[:, :, None], inputs, np.nan),
    )


def result_of(headline: Headline, study: Study) -> Result:
    """The headline of another study of the same cities and years."""
    plans = plans_in_window(headline, study)
    everyone = np.arange(len(plans.cities))
    return headline.changed(Change(everyone, plans.outputs, plans.inputs))
