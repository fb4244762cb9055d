-- Whether rollups of a site stay when its events go. There are none here: `tallystick move` carries what a rule says.

ALTER TABLE retention_rules ADD COLUMN IF NOT EXISTS keep_rollups Nullable(Bool);
