"""Where studies come from: public collections, a person's own files, a PACS, the phantom hospital."""
