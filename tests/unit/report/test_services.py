"""A proof of services, for people and for machines."""

from __future__ import annotations

import json

from tests.unit.prove.test_service_matrix import proof

from overweave.prove.service_matrix import VIRTUAL
from overweave.report import services_data, services_text, text

TOLD = """\
from  round robin  virtual address  host port  mesh port
a     ok           RED              ok         ok
b     ok           RED              ok         ok
6 of 8 ways to a service green on blue in 0.0 s
  RED a  virtual address: no answer
  RED b  virtual address: no answer
cause: the kernel of b has no IPVS, which virtual addresses and the routing mesh are made of: `modprobe
ip_vs`, or a kernel that has it; --endpoint-mode dnsrr and --publish mode=host go without
"""


def test_what_people_read(capsys):
    console = text.console()
    console.width = 104
    console.print(services_text.services(proof(kinds=(VIRTUAL,), without=("b",))))
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == TOLD.splitlines()


def test_what_machines_read():
    found = json.loads(json.dumps(services_data.services(proof(kinds=(VIRTUAL,), without=("b",)))))
    assert (found["kind"], found["green"], found["without_ipvs"]) == ("services", False, ["b"])
    assert found["checks"]["a"][VIRTUAL] == {"ok": False, "detail": "no answer"}
