-- How many requests took how long, by the hour (level 3600) and the UTC day (86400) of their end.
-- histogram: "bin:count bin:count|bin:count ..."; before the bar times from start to end, after it those to
-- the first byte. Four bins to each doubling of microseconds, see histogram.rs.
CREATE TABLE latencies (
  level INTEGER NOT NULL,
  start_us INTEGER NOT NULL,
  facet_id INTEGER NOT NULL REFERENCES facets (id),
  histogram TEXT NOT NULL,
  PRIMARY KEY (level, start_us, facet_id)
) STRICT, WITHOUT ROWID;
