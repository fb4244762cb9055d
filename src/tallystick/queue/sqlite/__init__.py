"""What keeps `queue.sqlite` from losing anything in silence: its log looked at, its sums kept twice, its recovery."""
