"""Frozen values that the parts exchange. Standard library only."""
