-- An answer that came whole was 'ok' whatever its status. Now a 4xx of the backend is 'rejected' and a 5xx is
-- 'backend_error'; an answer without a body (204, 304), which was taken for a client that left, is 'ok'; an error of
-- the manager's own is 'failed'. Sums older than the rows that are kept can't be told apart: they stay as they are.
ALTER TABLE rollups ADD COLUMN rejected INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollups ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;

WITH
  levels (level) AS (VALUES (60), (900), (3600), (21600), (86400)),
  changed AS (
    SELECT
      level,
      ended_us - ended_us % (CAST(level AS BIGINT) * 1000000) AS start_us,
      facet_id,
      SUM(CASE WHEN (outcome = 'ok' AND status >= 500) OR outcome = 'refused:internal_error' THEN 1 ELSE 0 END) AS failed,
      SUM(CASE WHEN outcome = 'ok' AND status BETWEEN 400 AND 499 THEN 1 ELSE 0 END) AS rejected,
      SUM(CASE WHEN outcome = 'client_left' AND status IN (204, 304) THEN 1 ELSE 0 END) AS stayed,
      SUM(CASE WHEN outcome = 'refused:internal_error' THEN 1 ELSE 0 END) AS broke,
      SUM(CASE WHEN usage_source = 'none' AND outcome NOT LIKE 'refused:%'
        AND (status >= 400 OR status IN (204, 304)) THEN 1 ELSE 0 END) AS told
    FROM requests, levels
    WHERE outcome <> 'ok' OR status >= 400
      OR (status IN (204, 304) AND usage_source = 'none')
    GROUP BY 1, 2, 3
  )
UPDATE rollups SET
  failed = rollups.failed + changed.failed,
  rejected = changed.rejected,
  client_left = rollups.client_left - changed.stayed,
  refused = rollups.refused - changed.broke,
  unrecorded = rollups.unrecorded - changed.told
FROM changed
WHERE rollups.level = changed.level AND rollups.start_us = changed.start_us AND rollups.facet_id = changed.facet_id;

UPDATE requests SET outcome = CASE WHEN status >= 500 THEN 'backend_error' ELSE 'rejected' END
WHERE outcome = 'ok' AND status >= 400;
UPDATE requests SET outcome = 'ok' WHERE outcome = 'client_left' AND status IN (204, 304);
UPDATE requests SET outcome = 'failed' WHERE outcome = 'refused:internal_error';
