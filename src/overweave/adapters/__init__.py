"""All I/O. Third-party exceptions end here, mapped to our tree with the cause kept."""
