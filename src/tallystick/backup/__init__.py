"""Backups of the embedded queue and store: one archive of one moment, made while both are in use, and checked."""
