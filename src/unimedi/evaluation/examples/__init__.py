"""Which studies the page of a run shows, chosen by rules, with their small pictures."""
