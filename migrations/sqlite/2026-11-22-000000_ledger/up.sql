-- Times are microseconds since 1970 in UTC; money is in 10^-12 of a currency's unit, prices in 10^-6; tokens are counts.

CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per start of the manager.
CREATE TABLE program_runs (
  id INTEGER NOT NULL PRIMARY KEY,
  started_us INTEGER NOT NULL,
  heartbeat_us INTEGER NOT NULL,
  ended_us INTEGER,
  version TEXT NOT NULL
) STRICT;

-- A model without a name is one whose data are being deleted.
CREATE TABLE models (
  id INTEGER NOT NULL PRIMARY KEY,
  name TEXT UNIQUE,
  first_seen_us INTEGER NOT NULL
) STRICT;

CREATE TABLE renames (
  id INTEGER NOT NULL PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  old_name TEXT NOT NULL,
  new_name TEXT NOT NULL,
  at_us INTEGER NOT NULL
) STRICT;

-- Everything that requests are grouped by, once; requests and rollups refer to it.
-- Two facets may be equal (after models were merged): readers add them up.
CREATE TABLE facets (
  id INTEGER NOT NULL PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models (id),
  variant TEXT NOT NULL,
  mode TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  api_key TEXT NOT NULL,
  currency TEXT NOT NULL,
  row_count INTEGER NOT NULL,
  byte_count INTEGER NOT NULL
) STRICT;
CREATE INDEX facets_model ON facets (model_id);

-- One row per request, written when it has ended; started = ended_us - duration_us.
CREATE TABLE requests (
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
  error TEXT
) STRICT;
CREATE UNIQUE INDEX requests_key ON requests (key);
CREATE INDEX requests_ended ON requests (ended_us);
CREATE INDEX requests_facet ON requests (facet_id, ended_us);
-- What went wrong is rare: a page of it must not look through all the rest.
CREATE INDEX requests_wrong ON requests (ended_us) WHERE outcome <> 'ok' OR status >= 400;

-- Sums of requests by the time of their end: level is the bucket's width in seconds
-- (60, 900, 3600, 21600 or 86400), start_us a multiple of it.
CREATE TABLE rollups (
  level INTEGER NOT NULL,
  start_us INTEGER NOT NULL,
  facet_id INTEGER NOT NULL REFERENCES facets (id),
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  client_left INTEGER NOT NULL,
  refused INTEGER NOT NULL,
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

-- One row per life of a backend.
CREATE TABLE runs (
  id INTEGER NOT NULL PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models (id),
  variant TEXT NOT NULL,
  started_us INTEGER NOT NULL,
  ready_us INTEGER,
  heartbeat_us INTEGER NOT NULL,
  ended_us INTEGER,
  end_reason TEXT,
  bill_loading INTEGER NOT NULL,
  energy_mj INTEGER,
  energy_cost INTEGER,
  energy_currency TEXT
) STRICT;
CREATE INDEX runs_model ON runs (model_id, started_us);
CREATE INDEX runs_open ON runs (id) WHERE ended_us IS NULL;

-- Never changed once written: a new plan is a new row. Token prices are per million tokens.
-- method: tiered, hourly or none (from then on there is no price).
CREATE TABLE price_plans (
  id INTEGER NOT NULL PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models (id),
  valid_from_us INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  source TEXT NOT NULL,
  method TEXT NOT NULL,
  currency TEXT NOT NULL,
  cache_pricing INTEGER NOT NULL,
  per_hour INTEGER
) STRICT;
CREATE INDEX price_plans_model ON price_plans (model_id, valid_from_us);

CREATE TABLE tiers (
  plan_id INTEGER NOT NULL REFERENCES price_plans (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  max_input INTEGER,
  max_output INTEGER,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  PRIMARY KEY (plan_id, position)
) STRICT, WITHOUT ROWID;
