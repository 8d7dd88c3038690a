"""The command line: Fabric tasks, the executor that runs them over a fleet, the `overweave` program."""
