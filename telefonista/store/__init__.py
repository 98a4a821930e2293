"""What is kept: the journal of events, and the tables that are projected from it."""
