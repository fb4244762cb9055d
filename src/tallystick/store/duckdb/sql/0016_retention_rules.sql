-- Retention of single sites: their rules, and which site a purge was of.

-- How long events of a site are kept, in the place of TALLYSTICK_RETENTION_DAYS.
CREATE TABLE retention_rules (
    site_id VARCHAR NOT NULL,
    days    INTEGER                     -- null: for ever
);

ALTER TABLE purges ADD COLUMN site_id VARCHAR;  -- null: of every site

-- Up to where events of a site with joined ids or splits were purged; a site that is not there had no purge.
CREATE VIEW purged_sites AS
SELECT site_id, greatest(
    (SELECT max(before) FROM purges WHERE purges.site_id = sites.site_id),
    (SELECT max(before) FROM purges WHERE purges.site_id IS NULL)) AS before
FROM (SELECT site_id FROM identities UNION SELECT site_id FROM splits) AS sites
WHERE before IS NOT NULL;
