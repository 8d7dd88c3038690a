"""What a service answers, and what is made of it."""

from __future__ import annotations

import pytest

from overweave.prove.matrix import Verdict
from overweave.prove.service_matrix import (
    HOST_PORT,
    KINDS,
    MESH_PORT,
    ROBIN,
    VIRTUAL,
    ServiceProof,
    of_ports,
    of_robin,
    of_virtual,
)

NODES = {"n1": "a", "n2": "b", "n3": "c"}
OK = Verdict(True, "3 hosts answer")
RED = Verdict(False, "no answer")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ({}, Verdict(False, "the name is not known")),
        ({"10.0.0.1": ("n1",), "10.0.0.2": ("n2",), "10.0.0.3": ("n3",)}, Verdict(True, "3 replicas answer")),
        ({"10.0.0.1": ("n1",), "10.0.0.2": ("",)}, Verdict(False, "no answer from the replica on b, c")),
        ({"10.0.0.1": ("n1",), "10.0.0.2": ("web",)}, Verdict(False, "no answer from the replica on b, c")),
        # Nodes that were not named have replicas, too.
        (
            {"10.0.0.1": ("n1",), "10.0.0.2": ("n2",), "10.0.0.3": ("n3",), "10.0.0.4": ("n4",)},
            Verdict(True, "3 replicas answer"),
        ),
    ],
)
def test_each_replica_has_to_answer_at_an_address_of_its_own(answers, verdict):
    assert of_robin(answers, NODES) == verdict


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ({}, Verdict(False, "the name is not known")),
        ({"10.0.0.9": ("n1", "n2", "n3", "n1")}, Verdict(True, "3 replicas answer at 10.0.0.9")),
        ({"10.0.0.9": ("n1", "", "n1")}, Verdict(False, "only the replica on a answers at 10.0.0.9")),
        ({"10.0.0.9": ("", "")}, Verdict(False, "no answer at 10.0.0.9")),
        (
            {"10.0.0.9": ("n1",), "10.0.0.8": ("n2",)},
            Verdict(False, "2 addresses, where one is to be: 10.0.0.8, 10.0.0.9"),
        ),
    ],
)
def test_one_address_has_to_lead_to_all_replicas(answers, verdict):
    assert of_virtual(answers, NODES, least=3) == verdict


def test_of_many_replicas_some_are_enough():
    assert of_virtual({"10.0.0.9": ("n1", "n3")}, NODES, least=2) == Verdict(
        True, "2 replicas answer at 10.0.0.9"
    )


@pytest.mark.parametrize(
    ("heard", "own", "verdict"),
    [
        ({"a": "n1", "b": "n2"}, True, Verdict(True, "2 hosts answer")),
        ({"a": "n2", "b": "n2"}, True, Verdict(False, "another answer than a replica's at a")),
        ({"a": "n2", "b": "n2"}, False, Verdict(True, "2 hosts answer")),
        ({"a": "n2", "b": "SSH-2.0"}, False, Verdict(False, "another answer than a replica's at b")),
        ({"a": "", "b": "n2"}, False, Verdict(False, "no answer at a")),
    ],
)
def test_a_published_port_is_answered_by_its_own_host_or_by_any(heard, own, verdict):
    assert of_ports(heard, NODES, own=own) == verdict


def proof(**red):
    checks = {kind: RED if kind in red.get("kinds", ()) else OK for kind in KINDS}
    return ServiceProof("blue", ("a", "b"), {"a": checks, "b": checks}, red.get("without", ()))


def test_what_was_not_seen_to_work_is_red_and_has_a_cause():
    assert (proof().green, proof().causes) == (True, ())
    assert not ServiceProof("blue", ("a",), {"a": {ROBIN: OK}}).green, "what was not asked is not green"
    found = proof(kinds=(VIRTUAL, MESH_PORT), without=("b",))
    assert found.red == (("a", VIRTUAL), ("a", MESH_PORT), ("b", VIRTUAL), ("b", MESH_PORT))
    assert found.causes == (
        "the kernel of b has no IPVS, which virtual addresses and the routing mesh are made of: "
        "`modprobe ip_vs`, or a kernel that has it; --endpoint-mode dnsrr and --publish mode=host go without",
    )
    under = (
        "`fab validate-overlay` proves the network under it; `fab preflight` names the rule that drops a port"
    )
    assert proof(kinds=(HOST_PORT,), without=("b",)).causes == (under,)
    assert proof(kinds=(VIRTUAL,)).causes == (under,)
