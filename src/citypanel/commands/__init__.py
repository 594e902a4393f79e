"""What `citypanel NAME` runs, one module a command.

A module's `register(commands)` adds its parser to the subparsers it is given and sets
`run`, a function of the parsed options. Modules import what is heavy inside `run`, so
that `citypanel --help` stays quick.
"""
