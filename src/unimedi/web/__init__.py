"""The page: an archive searched, and studies looked at, in a browser."""
