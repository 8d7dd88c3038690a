"""Work on a swarm that is there: what its nodes know each other by, and a quorum that is lost."""
