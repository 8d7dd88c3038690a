"""What the overlay carries, and how fast, next to the underlay: `fab bench-overlay`."""
