"""Pillarbox in frameworks of others."""
