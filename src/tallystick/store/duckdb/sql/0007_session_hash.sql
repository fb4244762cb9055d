-- A number by which folded sessions are looked for. The sessions are folded anew: by their mark's rules they would be anyway.

DELETE FROM session_mark;
ALTER TABLE session_parts ADD COLUMN session_hash UINTEGER;     -- of site_id and session_id; two sessions may have the same
