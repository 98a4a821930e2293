"""What people write for us, and how we read it: YAML with its places, problems said to its writer, expressions, hours.

Pure, and shared by the rooms whose configuration is written in the same words. Imports nothing else of ours.
"""
