"""The memberlist protocol that engines speak on port 7946: read who knows whom, and heal splits."""
