"""A small shop on FastAPI and SQLite: the application that the demo watches."""
