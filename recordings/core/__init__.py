"""Pure: what becomes of the recording of one conversation."""
