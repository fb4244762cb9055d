"""Real servers for the tests: each starts on a free port in a temporary folder and is gone afterwards."""
