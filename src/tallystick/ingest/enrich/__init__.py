"""Facts about an event from its request: browser, page, country, visitor. Off unless a setting turns them on."""
