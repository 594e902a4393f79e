"""Figures of the study: vector and bitmap, the data behind each, and its caption."""

from __future__ import annotations

from citypanel.outputs.figures import estimates, panels, places, referees
from citypanel.outputs.figures.estimates import SAID
from citypanel.outputs.figures.model import Drawing
from citypanel.outputs.style import Frames, Maker, Style

FORMATS = ("pdf", "svg", "png", "csv", "md")

_OPTIONS = "dim_study_variants"
FIGURES = (
    Maker(
        "figure_1_event_study",
        ("rpt_event_study", _OPTIONS),
        estimates.event_study,
        wants=("rpt_att", "rpt_sensitivity"),
    ),
    Maker(
        "figure_2_treatment_timing",
        ("fct_policy_exposures", "rpt_sample", "dim_cities", _OPTIONS),
        panels.treatment_timing,
    ),
    Maker(
        "figure_3_tfp_trajectories",
        ("rpt_tfp_trajectories", "fct_policy_exposures", "rpt_sample"),
        panels.trajectories,
    ),
    Maker(
        "figure_4_frontier",
        ("fct_city_years", "fct_tfp_changes", "dim_cities", _OPTIONS),
        panels.frontier,
    ),
    Maker("figure_5_bacon", ("rpt_bacon", _OPTIONS), estimates.bacon),
    Maker("figure_6_randomisation", ("rpt_randomisation",), estimates.randomisation),
    Maker("figure_7_sensitivity", ("rpt_sensitivity",), estimates.sensitivity),
    Maker(
        "figure_8_leave_one_out",
        (
            "rpt_sensitivity",
            "rpt_regressions",
            "fct_tfp_changes",
            "rpt_sample",
            "dim_cities",
            _OPTIONS,
        ),
        estimates.leave_one_out,
    ),
    Maker(
        "figure_9_coverage",
        ("fct_cell_origins", "dim_cities", "dim_variables", _OPTIONS),
        panels.coverage,
    ),
    Maker(
        "figure_10_cities",
        ("dim_cities", "rpt_sample", "fct_city_years", "fct_tfp_changes", _OPTIONS),
        panels.tiles,
    ),
    Maker(
        "figure_11_places",
        ("dim_cities", "dim_pilot_zones", "rpt_sample", _OPTIONS),
        places.places,
    ),
    Maker(
        "figure_12_other_policies",
        ("rpt_referee", "fct_policy_exposures", "dim_cities", _OPTIONS),
        referees.other_policies,
    ),
    Maker("figure_13_shared_errors", ("rpt_referee",), referees.shared_errors),
    Maker("figure_14_overlap", ("rpt_referee", "dim_cities"), referees.overlap),
)

__all__ = ["FIGURES", "FORMATS", "Drawing", "Frames", "Maker", "Style", "render"]


def render(
    maker: Maker, marts: Frames, options: Style, formats: tuple[str, ...] = FORMATS
) -> dict[str, bytes]:
    """A figure in each format.

    Parameters
    ----------
    maker : Maker
        Among `FIGURES`.
    marts : mapping of name to DataFrame
    options : Style
    formats : tuple of str
        Among `FORMATS`; ``csv`` is the data behind the figure, ``md`` its caption.

    Returns
    -------
    dict of file name to bytes
        Names in Chinese end in _zh before the suffix, with their CSV after a byte order
        mark, without which Excel misreads it.
    """
    from citypanel.outputs.figures.style import save, styled

    zh = options.language == "zh"
    stem = maker.name + ("_zh" if zh else "")
    out: dict[str, bytes] = {}
    with styled(options.language):
        drawing = maker.make(marts, options)
        if {"pdf", "svg", "png"} & set(formats):
            # Once for all formats: it takes as long as drawing.
            drawing.figure.get_layout_engine().execute(drawing.figure)
            drawing.figure.set_layout_engine("none")
        heading = options(SAID("figure", number=maker.number, title=drawing.title))
        for kind in formats:
            name = f"{stem}.{kind}"
            if kind == "csv":
                text = drawing.data.to_csv(index=False, lineterminator="\n")
                out[name] = text.encode("utf-8-sig" if zh else "utf-8")
            elif kind == "md":
                notes = ("" if zh else " ").join(map(options, drawing.notes))
                text = f"**{heading}**\n\n{options(SAID('notes'))}{notes}\n"
                out[name] = text.encode()
            else:
                out[name] = save(drawing.figure, kind, heading)
    return out
