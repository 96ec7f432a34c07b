-- How many requests of an hour took how long: kind 0 is the whole request, 1 the first byte.
CREATE TABLE latencies (
  start_us BIGINT NOT NULL,
  facet_id BIGINT NOT NULL REFERENCES facets (id),
  kind BIGINT NOT NULL,
  bin BIGINT NOT NULL,
  requests BIGINT NOT NULL,
  PRIMARY KEY (start_us, facet_id, kind, bin)
);
