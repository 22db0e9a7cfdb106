"""What the measured accesses say about cost; one rule, one file, found by itself."""
