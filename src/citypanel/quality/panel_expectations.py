"""Expectations of panels that Great Expectations does not bring.

Importing this module registers them, and imports Great Expectations, which takes
seconds: import it where suites are run, never at the top of a module. Each class has a
rule in `panel_rules.EXPECTATIONS`, whose arguments are its fields.
"""

from __future__ import annotations

from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import (
    TableMetricProvider,
)
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer
from great_expectations.validator.metric_configuration import MetricConfiguration

from citypanel.quality import panel_rules

METRIC = "table.citypanel_offenders"


class TableOffenders(TableMetricProvider):
    """What breaks a rule of `panel_rules`, as records."""

    metric_name = METRIC
    value_keys = ("expectation", "arguments")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,
        execution_engine,
        metric_domain_kwargs,
        metric_value_kwargs,
        metrics,
        runtime_configuration,
    ):
        frame, _, _ = execution_engine.get_compute_domain(
            metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE
        )
        return panel_rules.offenders(
            frame, metric_value_kwargs["expectation"], metric_value_kwargs["arguments"]
        )


class _PanelExpectation(BatchExpectation):
    """A rule of `panel_rules`; SAYS is its sentence in Data Docs."""

    SAYS: ClassVar[str] = ""
    metric_dependencies: ClassVar[tuple[str, ...]] = (METRIC,)
    args_keys: ClassVar[tuple[str, ...]] = ()

    def get_validation_dependencies(
        self, execution_engine=None, runtime_configuration=None
    ):
        """Ask for the offenders of this rule under these arguments."""
        dependencies = super().get_validation_dependencies(
            execution_engine, runtime_configuration
        )
        dependencies.set_metric_configuration(
            METRIC,
            MetricConfiguration(
                metric_name=METRIC,
                metric_domain_kwargs=self._get_domain_kwargs(),
                metric_value_kwargs={
                    "expectation": self.expectation_type,
                    "arguments": self._arguments(),
                },
            ),
        )
        return dependencies

    def _arguments(self) -> dict[str, Any]:
        """The fields of its own that are given."""
        own = {name: getattr(self, name) for name in type(self).__annotations__}
        return {k: v for k, v in own.items() if k != "SAYS" and v is not None}

    def _validate(self, metrics, runtime_configuration=None, execution_engine=None):
        offenders = metrics[METRIC]
        return {
            "success": not offenders,
            "result": {
                "observed_value": panel_rules.observed(
                    self.expectation_type, offenders, self._arguments()
                ),
                "unexpected_count": len(offenders),
                "unexpected_index_list": offenders,
            },
        }

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls, configuration=None, result=None, runtime_configuration=None, **kwargs
    ):
        configuration = configuration or result.expectation_config
        shown = {
            name: value
            for name, value in configuration.kwargs.items()
            if isinstance(value, str | int | float | list)
        }
        return [
            RenderedStringTemplateContent(
                content_block_type="string_template",
                string_template={
                    "template": cls.SAYS,
                    "params": {name: str(value) for name, value in shown.items()},
                    "styling": (runtime_configuration or {}).get("styling"),
                },
            )
        ]


class ExpectPanelToBeBalanced(_PanelExpectation):
    """Every unit has a row for every time from the table's first to its last."""

    unit_column: str
    time_column: str
    SAYS: ClassVar[str] = "Every $unit_column has a row for every $time_column."


class ExpectPolicyExposureToBeMonotone(_PanelExpectation):
    """The exposure of a unit never falls: a policy, once begun, stays."""

    unit_column: str
    time_column: str
    exposure_column: str
    SAYS: ClassVar[str] = "$exposure_column of a $unit_column never falls."


class ExpectCapitalToFollowRecursion(_PanelExpectation):
    """The perpetual inventory, K_t = (1 - d) K_t-1 + I_t, in every unit."""

    unit_column: str
    time_column: str
    stock_column: str
    investment_column: str
    depreciation_column: str
    tolerance: float | None = None
    SAYS: ClassVar[str] = (
        "$stock_column = (1 - $depreciation_column) x $stock_column of the year before "
        "+ $investment_column."
    )


class ExpectColumnsToMultiplyTo(_PanelExpectation):
    """The factors of an index multiply to it."""

    keys: list[str]
    product_column: str
    factor_columns: list[str]
    tolerance: float | None = None
    SAYS: ClassVar[str] = "$factor_columns multiply to $product_column."


class ExpectPartsNotToExceedTotal(_PanelExpectation):
    """Parts of a total sum to no more than it."""

    keys: list[str]
    total_column: str
    part_columns: list[str]
    tolerance: float | None = None
    SAYS: ClassVar[str] = "$part_columns sum to no more than $total_column."


class ExpectTableProfileToMatchAccepted(_PanelExpectation):
    """Rows, empty cells and distributions are those of the accepted run.

    Where nothing was accepted yet it holds, and says so.
    """

    accepted: dict[str, Any] | SuiteParameterDict
    distance: float | None = None
    empty_share: float | None = None
    SAYS: ClassVar[str] = (
        "Rows, empty cells and distributions are those of the accepted run."
    )
