"""The sentences of a report: what a language must offer, and each language's grammar and phrases."""
