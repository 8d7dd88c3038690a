"""What a host's packet filter does with a packet: rules as values, and a judge of them. Pure."""
