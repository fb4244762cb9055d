"""Logins, and the administration of sites, keys, accounts and invitations."""
