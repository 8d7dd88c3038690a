"""The stock `fab` command finds its tasks here. `overweave` has the same ones anywhere."""

from pathlib import Path

from fabric.main import program

from overweave.cli.collection import collect
from overweave.cli.program import adopt

adopt(program)
ns = collect(Path(__file__).parent)
