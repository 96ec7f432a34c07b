-- The sums of all facets of one model and currency in one row, under one of them (the first that was there): a report by
-- the model reads as many rows as there are models, however many keys and variants they have. Two rows of one bucket may
-- be of one model (after models were merged): readers add them up.
CREATE TABLE model_rollups (
  level BIGINT NOT NULL,
  start_us BIGINT NOT NULL,
  facet_id BIGINT NOT NULL REFERENCES facets (id),
  requests BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  rejected BIGINT NOT NULL,
  client_left BIGINT NOT NULL,
  refused BIGINT NOT NULL,
  cancelled BIGINT NOT NULL,
  replayed BIGINT NOT NULL,
  estimated BIGINT NOT NULL,
  unrecorded BIGINT NOT NULL,
  unpriced BIGINT NOT NULL,
  input BIGINT NOT NULL,
  cached BIGINT NOT NULL,
  cache_write BIGINT NOT NULL,
  output BIGINT NOT NULL,
  reasoning BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  duration_us BIGINT NOT NULL,
  queue_us BIGINT NOT NULL,
  first_byte_us BIGINT NOT NULL,
  first_bytes BIGINT NOT NULL,
  PRIMARY KEY (level, start_us, facet_id)
);

INSERT INTO model_rollups (
  level, start_us, facet_id, requests, failed, rejected, client_left, refused, cancelled, replayed, estimated,
  unrecorded, unpriced, input, cached, cache_write, output, reasoning, cost, duration_us, queue_us,
  first_byte_us, first_bytes
)
SELECT
  level,
  start_us,
  leads.lead_id,
  CAST(SUM(requests) AS BIGINT),
  CAST(SUM(failed) AS BIGINT),
  CAST(SUM(rejected) AS BIGINT),
  CAST(SUM(client_left) AS BIGINT),
  CAST(SUM(refused) AS BIGINT),
  CAST(SUM(cancelled) AS BIGINT),
  CAST(SUM(replayed) AS BIGINT),
  CAST(SUM(estimated) AS BIGINT),
  CAST(SUM(unrecorded) AS BIGINT),
  CAST(SUM(unpriced) AS BIGINT),
  CAST(SUM(input) AS BIGINT),
  CAST(SUM(cached) AS BIGINT),
  CAST(SUM(cache_write) AS BIGINT),
  CAST(SUM(output) AS BIGINT),
  CAST(SUM(reasoning) AS BIGINT),
  -- As everywhere, money stays at the largest number that fits.
  CASE WHEN SUM(cost / 1000000) >= 9223372036854 THEN 9223372036854775807
    ELSE CAST(SUM(cost / 1000000) * 1000000 + SUM(cost % 1000000) AS BIGINT) END,
  CAST(SUM(duration_us) AS BIGINT),
  CAST(SUM(queue_us) AS BIGINT),
  CAST(SUM(first_byte_us) AS BIGINT),
  CAST(SUM(first_bytes) AS BIGINT)
FROM rollups
JOIN (
  SELECT facets.id, firsts.lead_id FROM facets
  JOIN (SELECT model_id, currency, MIN(id) AS lead_id FROM facets GROUP BY model_id, currency) AS firsts
    ON firsts.model_id = facets.model_id AND firsts.currency = facets.currency
) AS leads ON leads.id = rollups.facet_id
GROUP BY level, start_us, leads.lead_id;
