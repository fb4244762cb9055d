"""Commands for sites, keys and accounts. They work on the database of these, whether a server runs or not."""
