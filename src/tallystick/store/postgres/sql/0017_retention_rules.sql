-- Retention of single sites: their rules, and which site a purge was of.

-- How long events of a site are kept, in the place of TALLYSTICK_RETENTION_DAYS.
CREATE TABLE retention_rules (
    site_id text    COLLATE "C" PRIMARY KEY,
    days    integer                     -- null: for ever
);

ALTER TABLE purges ADD COLUMN site_id text COLLATE "C"; -- null: of every site

-- Up to where events of a site with joined ids or splits were purged; a site that is not there had no purge.
CREATE VIEW purged_sites AS
SELECT site_id, before
FROM (SELECT site_id FROM identities UNION SELECT site_id FROM splits) AS sites
CROSS JOIN LATERAL (
    SELECT max(before) AS before FROM purges WHERE purges.site_id IS NULL OR purges.site_id = sites.site_id
) AS borders
WHERE before IS NOT NULL;
