"""Proof: every directed pair of hosts, checked between real containers on the network."""
