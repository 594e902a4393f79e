"""The warehouse's files: the one a build writes and the one people read."""

from citypanel.warehouse.publish import publish

__all__ = ["publish"]
