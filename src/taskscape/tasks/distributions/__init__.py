"""What a task's raw output says about its own errors: one kind of task per file."""
