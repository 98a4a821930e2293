"""Telefonista: what the rooms share. See docs/ for the map of the house."""
