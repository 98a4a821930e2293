"""The pure part: flows as values, sessions as a table, numbers as words, sound as samples."""
