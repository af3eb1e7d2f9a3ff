"""Measures computed from arrays, with intervals by patient; no model, no store."""
