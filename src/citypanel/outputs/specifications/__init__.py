"""The pages and the figure of the specification curve."""

from citypanel.outputs.specifications.figure import write_figures
from citypanel.outputs.specifications.interactive import curve_page
from citypanel.outputs.specifications.page import answer, english, specification_page

__all__ = ["answer", "curve_page", "english", "specification_page", "write_figures"]
