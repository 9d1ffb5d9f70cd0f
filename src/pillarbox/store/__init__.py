"""Durable state: one database, its SQL in files, and one module for each thing that is kept."""
