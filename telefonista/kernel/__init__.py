"""The pure heart: ids, events, commands, ports, machines, the call. Imports nothing of ours and does no I/O."""
