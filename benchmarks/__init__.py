"""How fast Overweave is next to other ways to the same network, on lab hosts: `scripts/bench --help`."""
