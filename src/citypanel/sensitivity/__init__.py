"""What the answer rests on: every choice of the study, and every cell.

`pipeline` is the whole study in memory, from the sources' cells to an estimate; each
intermediate result is computed once and shared by all options it does not depend on.
"""
