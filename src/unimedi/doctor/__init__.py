"""What is wrong with a cohort or a store, found before anything trains on it."""
