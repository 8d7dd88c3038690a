"""The stock `fab` command finds its tasks here. `overweave` has the same ones anywhere."""

from pathlib import Path

from overweave.cli.collection import collect

ns = collect(Path(__file__).parent)
