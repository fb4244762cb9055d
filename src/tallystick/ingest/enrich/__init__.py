"""Facts about an event from its request: browser, page, country, visitor. By default of what browsers send."""
