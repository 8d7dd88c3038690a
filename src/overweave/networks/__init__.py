"""The networks of a fleet as they are: one table of all, and how they are built on each host."""
