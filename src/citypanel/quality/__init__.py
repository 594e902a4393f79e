"""Validation of the panels with Great Expectations."""

from citypanel.quality.expectations import validate_panels

__all__ = ["validate_panels"]
