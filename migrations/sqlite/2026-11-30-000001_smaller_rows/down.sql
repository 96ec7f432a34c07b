CREATE TABLE former_requests (
  id INTEGER NOT NULL PRIMARY KEY,
  key BLOB NOT NULL,
  facet_id INTEGER NOT NULL REFERENCES facets (id),
  ended_us INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  queue_us INTEGER NOT NULL,
  first_byte_us INTEGER,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  input INTEGER,
  cached INTEGER,
  cache_write INTEGER,
  output INTEGER,
  reasoning INTEGER,
  usage_source TEXT NOT NULL,
  cost INTEGER,
  pricing TEXT NOT NULL,
  plan_id INTEGER,
  run_id INTEGER,
  replayed INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  error TEXT,
  sender_id INTEGER,
  client_named INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO former_requests (
  key, facet_id, ended_us, duration_us, queue_us, first_byte_us, status, outcome, input, cached, cache_write, output, reasoning,
  usage_source, cost, pricing, plan_id, run_id, replayed, request_id, error, sender_id,
  client_named
)
SELECT
  unhex(printf('%012x%010x%010x', requests.ended_us / 1000, 0, request_rows.tag & 1099511627775)), requests.facet_id, requests.ended_us, requests.duration_us, requests.queue_us, requests.first_byte_us, requests.status, requests.outcome, requests.input, requests.cached, requests.cache_write, requests.output, requests.reasoning,
  requests.usage_source, requests.cost, requests.pricing, requests.plan_id, requests.run_id, requests.replayed, requests.request_id, requests.error, requests.sender_id,
  length(requests.request_id) <> 20 OR requests.request_id GLOB '*[^0-9a-f]*'
FROM requests JOIN request_rows ON request_rows.id = requests.id
ORDER BY requests.id;
DROP VIEW requests;
DROP TABLE request_rows;
ALTER TABLE former_requests RENAME TO requests;
CREATE UNIQUE INDEX requests_key ON requests (key);
CREATE INDEX requests_ended ON requests (ended_us);
CREATE INDEX requests_facet ON requests (facet_id, ended_us);
CREATE INDEX requests_wrong ON requests (ended_us) WHERE outcome <> 'ok' OR status >= 400;
CREATE INDEX requests_refused ON requests (ended_us) WHERE substr(outcome, 1, 8) = 'refused:';
CREATE INDEX requests_client_id ON requests (request_id) WHERE client_named;

INSERT INTO meta (name, value)
SELECT 'late_rows', MIN(requests.id) || ' ' || MAX(requests.id) || ' ' || late.seen
FROM (
  SELECT
    CAST(substr(value, 1, instr(value, ' ') - 1) AS INTEGER) AS first,
    CAST(substr(value, instr(value, ' ') + 1) AS INTEGER) AS last,
    CAST(substr(value, instr(value, ' ') + 1 + instr(substr(value, instr(value, ' ') + 1), ' ')) AS INTEGER) AS seen
  FROM meta WHERE name = 'late_times'
) AS late
JOIN requests ON requests.ended_us BETWEEN late.first AND late.last
GROUP BY late.seen;
DELETE FROM meta WHERE name = 'late_times';

UPDATE facets SET byte_count = sizes.bytes
FROM (
  SELECT facet_id, SUM(150 + OCTET_LENGTH(request_id) + COALESCE(OCTET_LENGTH(error), 0)) AS bytes FROM requests GROUP BY facet_id
) AS sizes
WHERE sizes.facet_id = facets.id;
