"""No host twice at once, and every pair once."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from overweave.bench.schedule import cut, rounds

HOSTS = st.integers(0, 60).map(lambda n: tuple(f"host{i}" for i in range(1, n + 1)))


@given(HOSTS)
def test_no_host_is_measured_twice_at_once(hosts):
    for pairs in rounds(hosts):
        busy = [host for pair in pairs for host in pair]
        assert len(busy) == len(set(busy))


@given(HOSTS)
def test_every_pair_comes_once_in_as_few_rounds_as_can_be(hosts):
    made = rounds(hosts)
    assert sorted(tuple(sorted(p)) for pairs in made for p in pairs) == sorted(
        tuple(sorted(p)) for p in combinations(hosts, 2)
    )
    assert len(made) == (len(hosts) - 1 + len(hosts) % 2 if len(hosts) > 1 else 0)


@given(HOSTS)
def test_a_host_sends_about_as_often_as_it_takes_in(hosts):
    sends = Counter(source for pairs in rounds(hosts) for source, _ in pairs)
    for host in hosts:
        assert abs(2 * sends[host] - (len(hosts) - 1)) <= len(hosts) / 2 + 1


def test_the_same_hosts_give_the_same_rounds():
    assert rounds(["a", "b", "c", "d"]) == rounds(["a", "b", "c", "d"])
    assert rounds(["a", "b"]) == [(("a", "b"),)]
    assert rounds(["a"]) == []


def test_what_is_left_out_is_known():
    kept, left = cut(rounds([f"host{n}" for n in range(25)]), 5)
    assert [len(pairs) for pairs in kept] == [12] * 5
    assert len(left) == 300 - 60
    assert not set(left) & {pair for pairs in kept for pair in pairs}
