"""Answers of a host to the queries of a fact, picked by what a query asks and not by its place."""

from __future__ import annotations

from overweave.command import Result

MISSING = (1, "")


def answers(queries, told):
    """``told`` maps a piece of a query's text to the answer: stdout, or (status, stdout).

    Every piece must fit exactly one query; queries that nobody answers fail without a word.
    """
    results, used = [], []
    for query in queries:
        fitting = [piece for piece in told if piece in query.shell()]
        assert len(fitting) <= 1, f"{fitting} all fit {query.shell()}"
        used += fitting
        answer = told[fitting[0]] if fitting else MISSING
        status, stdout = answer if isinstance(answer, tuple) else (0, answer)
        results.append(Result(query, status, stdout, ""))
    assert sorted(used) == sorted(told), f"no query asks for {set(told) - set(used)}"
    return results
