"""The way of a packet between two containers, hop by hop, and what is wrong at each. Pure."""
