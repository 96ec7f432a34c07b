-- The sums of all facets of one model and currency in one row, under one of them (the first that was there): a report by
-- the model reads as many rows as there are models, however many keys and variants they have. Two rows of one bucket may
-- be of one model (after models were merged): readers add them up.
CREATE TABLE model_rollups (
  level INTEGER NOT NULL,
  start_us INTEGER NOT NULL,
  facet_id INTEGER NOT NULL REFERENCES facets (id),
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  client_left INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  replayed INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  unrecorded INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cached INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  queue_us INTEGER NOT NULL,
  first_byte_us INTEGER NOT NULL,
  first_bytes INTEGER NOT NULL,
  PRIMARY KEY (level, start_us, facet_id)
) STRICT, WITHOUT ROWID;

INSERT INTO model_rollups (
  level, start_us, facet_id, requests, failed, rejected, client_left, refused, cancelled, replayed, estimated,
  unrecorded, unpriced, input, cached, cache_write, output, reasoning, cost, duration_us, queue_us,
  first_byte_us, first_bytes
)
SELECT
  level,
  start_us,
  leads.lead_id,
  SUM(requests),
  SUM(failed),
  SUM(rejected),
  SUM(client_left),
  SUM(refused),
  SUM(cancelled),
  SUM(replayed),
  SUM(estimated),
  SUM(unrecorded),
  SUM(unpriced),
  SUM(input),
  SUM(cached),
  SUM(cache_write),
  SUM(output),
  SUM(reasoning),
  -- As everywhere, money stays at the largest number that fits.
  CASE WHEN SUM(cost / 1000000) >= 9223372036854 THEN 9223372036854775807
    ELSE CAST(SUM(cost / 1000000) * 1000000 + SUM(cost % 1000000) AS BIGINT) END,
  SUM(duration_us),
  SUM(queue_us),
  SUM(first_byte_us),
  SUM(first_bytes)
FROM rollups
JOIN (
  SELECT facets.id, firsts.lead_id FROM facets
  JOIN (SELECT model_id, currency, MIN(id) AS lead_id FROM facets GROUP BY model_id, currency) AS firsts
    ON firsts.model_id = facets.model_id AND firsts.currency = facets.currency
) AS leads ON leads.id = rollups.facet_id
GROUP BY level, start_us, leads.lead_id;
