"""Measurements of the secrets' part."""
