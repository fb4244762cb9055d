"""What is not as it should be on this machine, in the settings, and in queue and store: `tallystick doctor`."""
