"""The store in a PostgreSQL database with pgvector."""
