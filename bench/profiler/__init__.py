"""The profiler against its peers and the floor: ``./run bench profiler``."""
