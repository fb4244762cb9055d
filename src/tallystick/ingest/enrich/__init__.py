"""Facts about an event that its request tells: browser, page, country, visitor. Off unless a setting asks for them."""
