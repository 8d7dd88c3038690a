"""A proof as JUnit's XML, which CI systems show as tests. Pure.

There is a suite for each check of each plane, so that the red suites say what fails, and a test case in it
for each directed pair, which says where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import permutations
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from overweave.audit import stamp
from overweave.printable import one_line
from overweave.prove.matrix import UNDERLAY, Matrix, Pair, Verdict

from .measured import finite

NOT_MEASURED = "not measured"
LEFT_OUT = "left out on purpose: the fleet is large, or it was not asked for"
NO_PERL = "could not be made: a host has no perl"


def junit(result: Matrix, at: datetime) -> str:
    """The whole file. ``at`` is when the proof ended."""
    root = Element("testsuites", name=f"overweave: {_safe(result.network)}", time=f"{result.seconds:.3f}")
    for check in result.checks:
        suite = _suite(root, result, "overlay", check, at)
        for source, target in _all_pairs(result):
            pair = result.pair(source, target)
            _overlay(suite, pair, source, target, check, without_perl=check in result.impossible)
    for check in UNDERLAY:
        measured = [pair for pair in result.pairs if check in pair.underlay]
        if measured:
            suite = _suite(root, result, "underlay", check, at)
            for pair in measured:
                case = _case(suite, _ends(pair.source, pair.target), pair.underlay[check])
                _judge(case, pair.underlay[check])
    if result.isolation:
        suite = _suite(root, result, "isolation", "isolation", at)
        for tried in result.isolation:
            case = _case(suite, _ends(tried.source, tried.target))
            if tried.reached:
                _fail(case, tried.reached)
    _count(root, root.iter("testcase"))
    for suite in root:
        _count(suite, suite.iter("testcase"))
        suite.set("skipped", str(len(list(suite.iter("skipped")))))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _all_pairs(result: Matrix) -> Iterable[tuple[str, str]]:
    """Those there should be, and any other that was measured."""
    return dict.fromkeys([*permutations(result.hosts, 2), *((p.source, p.target) for p in result.pairs)])


def _overlay(
    suite: Element, pair: Pair | None, source: str, target: str, check: str, *, without_perl: bool
) -> None:
    verdict = pair.checks.get(check) if pair else None
    case = _case(suite, _ends(source, target), verdict)
    if pair and check not in pair.wanted:
        SubElement(case, "skipped", message=NO_PERL if without_perl else LEFT_OUT)
    else:
        _judge(case, verdict)


def _suite(root: Element, result: Matrix, plane: str, check: str, at: datetime) -> Element:
    name = plane if plane == check else f"{plane} {check}"
    suite = SubElement(root, "testsuite", name=_safe(name), timestamp=stamp(at).removesuffix("Z"))
    # Jenkins makes packages of the dots.
    parts = (part.replace(".", "_") for part in dict.fromkeys((result.network, plane, check)))
    suite.set("package", ".".join(_safe(part) for part in parts))
    properties = SubElement(suite, "properties")
    for key, value in _properties(result, plane, check).items():
        SubElement(properties, "property", name=key, value=_safe(value))
    return suite


def _properties(result: Matrix, plane: str, check: str) -> Mapping[str, str]:
    told = {
        "network": result.network,
        "plane": plane,
        "check": check,
        "hosts": str(len(result.hosts)),
        "vni": " ".join(sorted({str(evidence.vni) for evidence in result.evidence.values()})),
        "left-out-pairs": str(result.left_out.get(check, 0)) if plane == "overlay" else "0",
    }
    for number, cause in enumerate(result.causes, 1):
        told[f"cause-{number}"] = cause.told
    return told


def _case(suite: Element, name: str, verdict: Verdict | None = None) -> Element:
    trip = finite(verdict.milliseconds) if verdict else None
    return SubElement(
        suite, "testcase", name=name, classname=suite.attrib["package"], time=f"{(trip or 0) / 1000:.6f}"
    )


def _judge(case: Element, verdict: Verdict | None) -> None:
    if verdict is None:
        _fail(case, NOT_MEASURED)
    elif not verdict.ok:
        _fail(case, verdict.detail)


def _fail(case: Element, what: str) -> None:
    told = _safe(what) or "failed"
    failure = SubElement(case, "failure", message=told, type=case.attrib["classname"].rpartition(".")[2])
    failure.text = f"{case.attrib['name']}: {told}"


def _count(element: Element, cases: Iterable[Element]) -> None:
    found = list(cases)
    element.set("tests", str(len(found)))
    element.set("failures", str(sum(case.find("failure") is not None for case in found)))
    element.set("errors", "0")


def _ends(source: str, target: str) -> str:
    return f"{_safe(source)} -> {_safe(target)}"


def _safe(text: str) -> str:
    # XML 1.0 has no way at all to write most control characters.
    return one_line(text)
