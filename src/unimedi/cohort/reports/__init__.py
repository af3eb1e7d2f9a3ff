"""Reports: sections, languages, what is left out, when two are the same."""
