"""Asterisk at the other end of a wire: getting and running it, and the links to it. Import the modules by name."""
