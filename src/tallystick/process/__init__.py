"""Tallystick as a process: listening, starting, stopping, handing the port over, running several processes."""
