"""Folders, tables and texts on disk: found, opened, decoded, locked, written whole or not at all."""
