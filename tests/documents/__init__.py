"""The documents as a reader uses them: every block of code, every page of the site."""
