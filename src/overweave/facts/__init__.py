"""What is there. A fact is a probe and the parser of its answer, side by side; asking changes nothing."""
