"""What is asked before a host goes, and what is told behind it."""

from __future__ import annotations

from overweave.cli import hosts
from overweave.model import Access, Host
from overweave.steps import LeaveNetwork, Plan, RestartEngine, Stage

LEAVE = Plan(
    (
        Stage("a", (LeaveNetwork("web4", "why", "app", "id", "overweave"),)),
        Stage("b", (RestartEngine("web4", "why", ("app", "db")),)),
    )
)


def test_the_question_names_what_stops_and_what_is_taken_off():
    assert hosts._question("web4", LEAVE, dead=False) == (
        "This takes web4 out of the overlay. Containers are taken off it: app (overweave). "
        "These stop for a moment: the engine of web4, app on web4, db on web4."
    )
    assert hosts._question("web4", Plan(), dead=True) == (
        "This is only right if the machine that was web4 does not come back."
    )


def test_the_lines_of_the_inventory_are_told_and_left_alone(tmp_path):
    file = tmp_path / "inventory.yml"
    file.write_text("hosts:\n  web3:\n  web4:\n    address: 10.0.0.14\n")
    web4 = Host("web4", Access("10.0.0.14"))
    assert hosts._to_remove(file, web4) == f"; remove lines 3 to 4 of {file}, which name it"
    assert hosts._to_remove(file, Host("web3", Access("web3"))) == (
        f"; remove line 2 of {file}, which names it"
    )
    assert hosts._to_remove(file, None) == hosts._to_remove(None, web4) == ""
    assert file.read_text().startswith("hosts:\n  web3:\n  web4:\n")
