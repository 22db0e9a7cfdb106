"""Side-by-side measurements, one folder a part: ``./run bench PART``."""
