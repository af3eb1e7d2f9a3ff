"""Figures from arrays: areas, recalls, overlaps, with intervals by patient; no model, no store."""
