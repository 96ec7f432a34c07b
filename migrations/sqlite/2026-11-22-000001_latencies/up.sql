-- How many requests of an hour took how long: kind 0 is the whole request, 1 the first byte.
CREATE TABLE latencies (
  start_us INTEGER NOT NULL,
  facet_id INTEGER NOT NULL REFERENCES facets (id),
  kind INTEGER NOT NULL,
  bin INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  PRIMARY KEY (start_us, facet_id, kind, bin)
) STRICT, WITHOUT ROWID;
