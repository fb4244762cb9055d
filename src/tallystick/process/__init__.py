"""Tallystick as a process: how it listens, starts, stops, hands its port over, and multiplies."""
