"""Changes hosts, and takes back what it changed where that fails. Nothing else changes a host."""
