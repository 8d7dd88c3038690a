"""The store's servers: how they stand, and plans that change which hosts carry one, or what they run."""
