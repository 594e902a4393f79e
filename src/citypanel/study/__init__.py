"""The study's steps, each a function from frames to a frame, for every variant.

A variant is a full set of options (one row of the table of variants); the headline is
one of them. Nothing here knows where the frames come from. The steps are imported from
their modules, so that who needs capital stocks does not wait for linearmodels.
"""
