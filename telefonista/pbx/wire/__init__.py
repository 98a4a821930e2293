"""Pure codecs: what Asterisk sends becomes kernel values, what the kernel asks becomes what Asterisk reads. No I/O."""
