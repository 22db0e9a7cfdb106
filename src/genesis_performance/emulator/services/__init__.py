"""Emulated services, one file each; a module that names ``SERVICES`` is found by itself."""
