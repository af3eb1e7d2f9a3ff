"""Ways in: one file a public collection or a kind of folder; each gives a list of studies."""
