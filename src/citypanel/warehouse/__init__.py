"""The warehouse's files: the one a build writes and the one people read."""

from citypanel.warehouse.publish import Table, publish

__all__ = ["Table", "publish"]
