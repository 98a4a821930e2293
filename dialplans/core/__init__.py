"""The pure part of the dialplans room: values in, text out."""
