"""Pillarbox: a self-hosted gateway between everything that speaks mail and Microsoft 365."""

__version__ = "0.1.0"
