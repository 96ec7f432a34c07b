-- A row of half the size. `request_rows` has the rows in the order of time: the id is the microsecond of the end times 2048, and a number
-- within it, so neither the time nor an index of it is stored beside. Words that most rows share are left out: no outcome is ok,
-- no usage_source is backend, no pricing is priced where there is a cost and no_plan where there is none.
-- tag: what makes a row the same one when it is written again. Below 2^40 it holds an id that the manager made, which then isn't
-- stored: 36 random bits, and above them 8 plus the milliseconds from the start to those with which the id begins. Any other id is in
-- request_id, and its tag is 2^40 and 40 bits of the key that the row once had.
-- The view `requests` shows the rows as they were, in plain words; a stretch of time is found at once by `id >= ended_us * 2048`.
CREATE TABLE request_rows (
  id BIGINT NOT NULL PRIMARY KEY,
  tag BIGINT NOT NULL,
  facet_id BIGINT NOT NULL REFERENCES facets (id),
  duration_us BIGINT NOT NULL,
  queue_us BIGINT NOT NULL,
  first_byte_us BIGINT,
  status BIGINT NOT NULL,
  outcome TEXT,
  input BIGINT,
  cached BIGINT,
  cache_write BIGINT,
  output BIGINT,
  reasoning BIGINT,
  usage_source TEXT,
  cost BIGINT,
  pricing TEXT,
  plan_id BIGINT,
  run_id BIGINT,
  replayed BOOLEAN NOT NULL,
  request_id TEXT,
  error TEXT,
  sender_id BIGINT
);

-- Each row with its tag. OFFSET keeps the databases from computing it once for each time that it is named.
CREATE VIEW tagged_requests AS
SELECT
  *,
  CASE
    WHEN ahead BETWEEN -8 AND 7 THEN ((ahead + 8) << 36) | CAST(CAST(('x' || lpad(substr(request_id, 12, 9), 16, '0')) AS BIT(64)) AS BIGINT)
    ELSE 1099511627776 | ((CAST(CAST(('x' || lpad(encode(substring(key FROM 7 FOR 5), 'hex'), 16, '0')) AS BIT(64)) AS BIGINT)
    + CAST(CAST(('x' || lpad(encode(substring(key FROM 12 FOR 5), 'hex'), 16, '0')) AS BIT(64)) AS BIGINT)) & 1099511627775)
  END AS tag
FROM (
  SELECT
    *,
    CASE
      WHEN length(request_id) = 20 AND request_id !~ '[^0-9a-f]' AND ended_us >= duration_us THEN CAST(CAST(('x' || lpad(substr(request_id, 1, 11), 16, '0')) AS BIT(64)) AS BIGINT)
      - (ended_us - duration_us) / 1000
    END AS ahead
  FROM requests
  LIMIT ALL OFFSET 0
) AS timed
LIMIT ALL OFFSET 0;

INSERT INTO request_rows (
  id, tag, facet_id, duration_us, queue_us, first_byte_us, status, outcome, input, cached, cache_write, output, reasoning,
  usage_source, cost, pricing, plan_id, run_id, replayed, request_id, error, sender_id
)
SELECT
  (ended_us << 11) + (tag & 1023), tag, facet_id, duration_us, queue_us, first_byte_us, status, NULLIF(outcome, 'ok'), input, cached, cache_write, output, reasoning,
  NULLIF(usage_source, 'backend'), cost, NULLIF(pricing, CASE WHEN cost IS NULL THEN 'no_plan' ELSE 'priced' END), plan_id, run_id, replayed, CASE WHEN tag >= 1099511627776 THEN request_id END, error, sender_id
FROM tagged_requests
WHERE TRUE
ON CONFLICT (id) DO NOTHING;
-- Those of one microsecond that found their place taken, if there are any.
INSERT INTO request_rows (
  id, tag, facet_id, duration_us, queue_us, first_byte_us, status, outcome, input, cached, cache_write, output, reasoning,
  usage_source, cost, pricing, plan_id, run_id, replayed, request_id, error, sender_id
)
SELECT
  ((ended_us + (ROW_NUMBER() OVER (PARTITION BY ended_us ORDER BY tag) - 1) / 1024) << 11) + 1024 + (ROW_NUMBER() OVER (PARTITION BY ended_us ORDER BY tag) - 1) % 1024, tag, facet_id, duration_us, queue_us, first_byte_us, status, NULLIF(outcome, 'ok'), input, cached, cache_write, output, reasoning,
  NULLIF(usage_source, 'backend'), cost, NULLIF(pricing, CASE WHEN cost IS NULL THEN 'no_plan' ELSE 'priced' END), plan_id, run_id, replayed, CASE WHEN tag >= 1099511627776 THEN request_id END, error, sender_id
FROM tagged_requests
WHERE (SELECT COUNT(*) FROM requests) > (SELECT COUNT(*) FROM request_rows)
  AND NOT EXISTS (SELECT 1 FROM request_rows AS there WHERE there.id = (ended_us << 11) + (tagged_requests.tag & 1023) AND there.tag = tagged_requests.tag);
DROP VIEW tagged_requests;

-- Rows that were recorded while the clock was behind are told by their times.
INSERT INTO meta (name, value)
SELECT 'late_times', MIN(requests.ended_us) || ' ' || MAX(requests.ended_us) || ' ' || late.seen
FROM (
  SELECT
    CAST(split_part(value, ' ', 1) AS BIGINT) AS first,
    CAST(split_part(value, ' ', 2) AS BIGINT) AS last,
    CAST(split_part(value, ' ', 3) AS BIGINT) AS seen
  FROM meta WHERE name = 'late_rows'
) AS late
JOIN requests ON requests.id BETWEEN late.first AND late.last AND requests.ended_us < late.seen - 86400000000
GROUP BY late.seen;
DELETE FROM meta WHERE name = 'late_rows';

DROP TABLE requests;
CREATE INDEX requests_facet ON request_rows (facet_id, id);
-- What went wrong is rare: a page of it must not look through all the rest.
CREATE INDEX requests_wrong ON request_rows (id) WHERE outcome IS NOT NULL OR status >= 400;
CREATE INDEX requests_refused ON request_rows (id) WHERE substr(outcome, 1, 8) = 'refused:';
CREATE INDEX requests_client_id ON request_rows (request_id) WHERE request_id IS NOT NULL;
-- An id that the manager made tells when its request began, and nearly all end within a minute.
CREATE INDEX requests_long ON request_rows (tag) WHERE duration_us >= 60000000;

CREATE VIEW requests AS
SELECT
  id,
  facet_id,
  id >> 11 AS ended_us,
  duration_us,
  queue_us,
  first_byte_us,
  status,
  COALESCE(outcome, 'ok') AS outcome,
  input,
  cached,
  cache_write,
  output,
  reasoning,
  COALESCE(usage_source, 'backend') AS usage_source,
  cost,
  COALESCE(pricing, CASE WHEN cost IS NULL THEN 'no_plan' ELSE 'priced' END) AS pricing,
  plan_id,
  run_id,
  replayed,
  COALESCE(request_id, lpad(to_hex(((id >> 11) - duration_us) / 1000 + (tag >> 36) - 8), 11, '0') || lpad(to_hex(tag & 68719476735), 9, '0')) AS request_id,
  error,
  sender_id
FROM request_rows;

-- What a row takes is told to people.
UPDATE facets SET byte_count = sizes.bytes
FROM (
  SELECT facet_id, CAST(SUM(90 + COALESCE(OCTET_LENGTH(request_id), 0) + COALESCE(OCTET_LENGTH(error), 0)) AS BIGINT) AS bytes FROM request_rows GROUP BY facet_id
) AS sizes
WHERE sizes.facet_id = facets.id;
