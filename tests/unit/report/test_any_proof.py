"""Whatever a proof holds, no report of it raises, and each is well formed."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.report.fleets import AT, HOSTILE

from overweave.prove.matrix import CHECKS, UNDERLAY, Cause, Evidence, Isolation, Matrix, Pair, Verdict
from overweave.report import data, matrix_text
from overweave.report.html import html
from overweave.report.junit import junit
from overweave.report.prometheus import prometheus
from overweave.report.text import SafeConsole

WORD = st.sampled_from(HOSTILE) | st.text(st.characters(codec=None), max_size=8)
HOST = st.sampled_from(["a", "b", "c"]) | WORD
NUMBER = st.none() | st.floats() | st.floats(0, 100)
VERDICT = st.builds(Verdict, st.booleans(), WORD, NUMBER, NUMBER)
CHECK = st.sampled_from(CHECKS) | WORD
PAIR = st.builds(
    Pair,
    HOST,
    HOST,
    st.dictionaries(CHECK, VERDICT, max_size=4),
    st.dictionaries(st.sampled_from(UNDERLAY) | WORD, VERDICT, max_size=3),
    st.lists(CHECK, max_size=3, unique=True).map(tuple),
)
COUNT = st.integers(0, 10**6)


def few(strategy):
    return st.lists(strategy, max_size=3).map(tuple)


PROOF = st.builds(
    Matrix,
    WORD,
    st.lists(HOST, max_size=4, unique=True).map(tuple),
    few(PAIR),
    st.dictionaries(HOST, st.builds(Evidence, COUNT, WORD, COUNT, COUNT), max_size=3),
    st.floats(0, 1000),
    few(st.builds(Cause, WORD, WORD, WORD, WORD, few(WORD), few(st.tuples(HOST, HOST)))),
    few(CHECK),
    WORD,
    st.dictionaries(CHECK, COUNT, max_size=2),
    few(st.builds(Isolation, WORD, WORD, WORD)),
)


@given(PROOF, st.integers(20, 200))
@settings(max_examples=200)
def test_every_report_of_any_proof_can_be_read(proof, width):
    file = io.StringIO()
    SafeConsole(file=file, width=width).print(matrix_text.matrix(proof, width))
    file.getvalue().encode()
    assert "directed pairs green on" in file.getvalue().replace("\n", " ") or width < 60
    json.dumps(data.matrix(proof), allow_nan=False)
    ElementTree.fromstring(junit(proof, AT).encode())
    list(text_string_to_metric_families(prometheus(proof, AT)))
    page = html(proof, AT)
    page.encode()
    json.loads(page.partition('id="data">')[2].partition("</script>")[0])
