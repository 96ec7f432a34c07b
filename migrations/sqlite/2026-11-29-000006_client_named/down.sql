DROP INDEX requests_client_id;
CREATE INDEX requests_client_id ON requests (request_id) WHERE length(request_id) <> 20 OR request_id GLOB '*[^0-9a-f]*';
ALTER TABLE requests DROP COLUMN client_named;
