DROP TABLE latencies;
