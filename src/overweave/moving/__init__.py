"""From a cluster store to a swarm, host by host, and back. Pure."""
