"""From the networks that an inventory lists, and those that are there, to the steps between. Pure."""
