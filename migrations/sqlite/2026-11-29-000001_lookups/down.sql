DROP INDEX requests_client_id;
DROP INDEX requests_refused;
