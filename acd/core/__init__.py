"""Pure: stays in queues, what waiting citizens hear, and who is offered whom."""
