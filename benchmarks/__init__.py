"""Side-by-side runs against peers on a real Asterisk: what the engine costs, how quick it is, how much it can take.

`python -m benchmarks` runs them and prints one table. Ratios only mean something within one run: both ways take turns,
so that a noisy machine hits both. Nothing here is a test, and nothing is shipped.
"""
