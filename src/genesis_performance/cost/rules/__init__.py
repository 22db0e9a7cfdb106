"""One rule, one file; ``rules.discover`` finds them."""
