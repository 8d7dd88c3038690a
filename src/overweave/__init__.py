"""Multi-host container networks for plain Docker hosts, proven pair by pair."""

__version__ = "0.1.0"
