"""Which checks a proof makes, by regular expressions."""

from __future__ import annotations

import pytest

from overweave.errors import UsageError
from overweave.prove.choice import NAMES, OVERLAY_ONLY, Choice, choose
from overweave.prove.matrix import CHECKS, UNDERLAY


def test_everything_without_a_word():
    assert choose() == Choice()
    assert (choose().overlay, choose().underlay, choose().isolation) == (CHECKS, UNDERLAY, True)
    assert choose().whole
    assert OVERLAY_ONLY.whole
    assert (OVERLAY_ONLY.underlay, OVERLAY_ONLY.isolation) == ((), False)


@pytest.mark.parametrize(
    ("check", "exclude", "overlay", "underlay", "isolation"),
    [
        ("^(dns|icmp)$", "", ("dns", "icmp"), (), False),
        ("icmp", "", ("icmp",), ("icmp",), False),
        ("^tcp$", "", ("tcp",), (), False),
        ("tcp", "", ("tcp",), ("tcp-7946",), False),
        ("", "^underlay|isolation", CHECKS, (), False),
        ("", "tcp|mtu", ("dns", "icmp", "udp", "connect", "vxlan"), ("icmp", "udp-4789", "udp-7946"), True),
        ("dns|isol", "nothing", ("dns",), (), True),
    ],
)
def test_names_are_searched_for(check, exclude, overlay, underlay, isolation):
    made = choose(check, exclude)
    assert (made.overlay, made.underlay, made.isolation) == (overlay, underlay, isolation)
    assert made.whole is (overlay == CHECKS)


def test_the_rest_is_kept():
    made = choose("dns", timeout=0.1, repeat=1000, fresh=True)
    assert (made.patience, made.repeat, made.fresh) == (0.1, 1000, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"check": "dns("},
            "--check dns(: not a regular expression: missing ), unterminated subpattern at position 3\n"
            "  -> as in --check 'dns|icmp'",
        ),
        (
            {"exclude": "*"},
            "--exclude *: not a regular expression: nothing to repeat at position 0\n"
            "  -> as in --check 'dns|icmp'",
        ),
        (
            {"check": "d{99999999999}"},
            "--check d{99999999999}: not a regular expression: the repetition number is too large\n"
            "  -> as in --check 'dns|icmp'",
        ),
        (
            {"check": "underlay"},
            f"no check of the overlay is left by --check and --exclude\n  -> checks: {', '.join(NAMES)}",
        ),
        (
            {"exclude": "."},
            f"no check of the overlay is left by --check and --exclude\n  -> checks: {', '.join(NAMES)}",
        ),
        ({"timeout": 0}, "--timeout 0 is not between 0.1 and 60 s\n  -> as in --timeout 3"),
        ({"timeout": float("nan")}, "--timeout nan is not between 0.1 and 60 s\n  -> as in --timeout 3"),
        ({"timeout": 61}, "--timeout 61 is not between 0.1 and 60 s\n  -> as in --timeout 3"),
        ({"repeat": 0}, "--repeat 0 is not between 1 and 1000\n  -> as in --repeat 5"),
        ({"repeat": 1001}, "--repeat 1001 is not between 1 and 1000\n  -> as in --repeat 5"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(given, message):
    with pytest.raises(UsageError) as caught:
        choose(**given)
    assert str(caught.value) == message
