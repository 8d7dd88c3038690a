"""How an overlay is made on a kind of engine: what forbids it, and the steps. Pure."""
