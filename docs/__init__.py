"""Guides, decisions and the generator of the reference pages."""
