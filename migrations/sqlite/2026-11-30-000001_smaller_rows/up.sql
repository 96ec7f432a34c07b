-- A row of half the size. `request_rows` has the rows in the order of time: the id is the microsecond of the end times 2048, and a number
-- within it, so neither the time nor an index of it is stored beside. Words that most rows share are left out: no outcome is ok,
-- no usage_source is backend, no pricing is priced where there is a cost and no_plan where there is none.
-- tag: what makes a row the same one when it is written again. Below 2^40 it holds an id that the manager made, which then isn't
-- stored: 36 random bits, and above them 8 plus the milliseconds from the start to those with which the id begins. Any other id is in
-- request_id, and its tag is 2^40 and 40 bits of the key that the row once had.
-- The view `requests` shows the rows as they were, in plain words; a stretch of time is found at once by `id >= ended_us * 2048`.
CREATE TABLE request_rows (
  id INTEGER NOT NULL PRIMARY KEY,
  tag INTEGER NOT NULL,
  facet_id INTEGER NOT NULL REFERENCES facets (id),
  duration_us INTEGER NOT NULL,
  queue_us INTEGER NOT NULL,
  first_byte_us INTEGER,
  status INTEGER NOT NULL,
  outcome TEXT,
  input INTEGER,
  cached INTEGER,
  cache_write INTEGER,
  output INTEGER,
  reasoning INTEGER,
  usage_source TEXT,
  cost INTEGER,
  pricing TEXT,
  plan_id INTEGER,
  run_id INTEGER,
  replayed INTEGER NOT NULL,
  request_id TEXT,
  error TEXT,
  sender_id INTEGER
) STRICT;

-- Each row with its tag. OFFSET keeps the databases from computing it once for each time that it is named.
CREATE VIEW tagged_requests AS
SELECT
  *,
  CASE
    WHEN ahead BETWEEN -8 AND 7 THEN ((ahead + 8) << 36) | (
      (instr('123456789abcdef', substr(request_id, 12, 1)) << 32)
      | (instr('123456789abcdef', substr(request_id, 13, 1)) << 28)
      | (instr('123456789abcdef', substr(request_id, 14, 1)) << 24)
      | (instr('123456789abcdef', substr(request_id, 15, 1)) << 20)
      | (instr('123456789abcdef', substr(request_id, 16, 1)) << 16)
      | (instr('123456789abcdef', substr(request_id, 17, 1)) << 12)
      | (instr('123456789abcdef', substr(request_id, 18, 1)) << 8)
      | (instr('123456789abcdef', substr(request_id, 19, 1)) << 4)
      | instr('123456789abcdef', substr(request_id, 20, 1))
    )
    ELSE 1099511627776 | (((
      (instr('123456789ABCDEF', substr(key_digits, 13, 1)) << 36)
      | (instr('123456789ABCDEF', substr(key_digits, 14, 1)) << 32)
      | (instr('123456789ABCDEF', substr(key_digits, 15, 1)) << 28)
      | (instr('123456789ABCDEF', substr(key_digits, 16, 1)) << 24)
      | (instr('123456789ABCDEF', substr(key_digits, 17, 1)) << 20)
      | (instr('123456789ABCDEF', substr(key_digits, 18, 1)) << 16)
      | (instr('123456789ABCDEF', substr(key_digits, 19, 1)) << 12)
      | (instr('123456789ABCDEF', substr(key_digits, 20, 1)) << 8)
      | (instr('123456789ABCDEF', substr(key_digits, 21, 1)) << 4)
      | instr('123456789ABCDEF', substr(key_digits, 22, 1))
    )
    + (
      (instr('123456789ABCDEF', substr(key_digits, 23, 1)) << 36)
      | (instr('123456789ABCDEF', substr(key_digits, 24, 1)) << 32)
      | (instr('123456789ABCDEF', substr(key_digits, 25, 1)) << 28)
      | (instr('123456789ABCDEF', substr(key_digits, 26, 1)) << 24)
      | (instr('123456789ABCDEF', substr(key_digits, 27, 1)) << 20)
      | (instr('123456789ABCDEF', substr(key_digits, 28, 1)) << 16)
      | (instr('123456789ABCDEF', substr(key_digits, 29, 1)) << 12)
      | (instr('123456789ABCDEF', substr(key_digits, 30, 1)) << 8)
      | (instr('123456789ABCDEF', substr(key_digits, 31, 1)) << 4)
      | instr('123456789ABCDEF', substr(key_digits, 32, 1))
    )) & 1099511627775)
  END AS tag
FROM (
  SELECT
    *,
    CASE
      WHEN length(request_id) = 20 AND request_id NOT GLOB '*[^0-9a-f]*' AND ended_us >= duration_us THEN (
      (instr('123456789abcdef', substr(request_id, 1, 1)) << 40)
      | (instr('123456789abcdef', substr(request_id, 2, 1)) << 36)
      | (instr('123456789abcdef', substr(request_id, 3, 1)) << 32)
      | (instr('123456789abcdef', substr(request_id, 4, 1)) << 28)
      | (instr('123456789abcdef', substr(request_id, 5, 1)) << 24)
      | (instr('123456789abcdef', substr(request_id, 6, 1)) << 20)
      | (instr('123456789abcdef', substr(request_id, 7, 1)) << 16)
      | (instr('123456789abcdef', substr(request_id, 8, 1)) << 12)
      | (instr('123456789abcdef', substr(request_id, 9, 1)) << 8)
      | (instr('123456789abcdef', substr(request_id, 10, 1)) << 4)
      | instr('123456789abcdef', substr(request_id, 11, 1))
    )
      - (ended_us - duration_us) / 1000
    END AS ahead,
    hex(key) AS key_digits
  FROM requests
  LIMIT -1 OFFSET 0
) AS timed
LIMIT -1 OFFSET 0;

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
    CAST(substr(value, 1, instr(value, ' ') - 1) AS INTEGER) AS first,
    CAST(substr(value, instr(value, ' ') + 1) AS INTEGER) AS last,
    CAST(substr(value, instr(value, ' ') + 1 + instr(substr(value, instr(value, ' ') + 1), ' ')) AS INTEGER) AS seen
  FROM meta WHERE name = 'late_rows'
) AS late
JOIN requests ON requests.id BETWEEN late.first AND late.last AND requests.ended_us < late.seen - 86400000000
GROUP BY late.seen;
DELETE FROM meta WHERE name = 'late_rows';

DROP TABLE requests;
CREATE INDEX requests_facet ON request_rows (facet_id);
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
  COALESCE(request_id, printf('%011x%09x', ((id >> 11) - duration_us) / 1000 + (tag >> 36) - 8, tag & 68719476735)) AS request_id,
  error,
  sender_id
FROM request_rows;

-- What a row takes is told to people.
UPDATE facets SET byte_count = sizes.bytes
FROM (
  SELECT facet_id, SUM(90 + COALESCE(OCTET_LENGTH(request_id), 0) + COALESCE(OCTET_LENGTH(error), 0)) AS bytes FROM request_rows GROUP BY facet_id
) AS sizes
WHERE sizes.facet_id = facets.id;
