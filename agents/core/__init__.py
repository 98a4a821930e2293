"""Pure: an agent's presence as a machine, and the roster that the ACD asks."""
