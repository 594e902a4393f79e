"""Difference-in-differences estimators, inference and credibility checks.

Every estimator is a function of a panel with keyword-only column names, and returns
the tidy frame that `frames` describes.
"""

from citypanel.did.twfe import event_study, twfe

__all__ = ["event_study", "twfe"]
