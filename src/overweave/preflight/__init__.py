"""What would break, found before anything is changed. Pure: facts in, findings out.

A check is a function in a module of this package, named in `everything.CHECKS`; what it needs to know of
the hosts is a fact (see `facts.machine` and `facts.pairs`).
"""
