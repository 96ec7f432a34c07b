-- Whether the request's id is the client's own, as the writer knows: to look at the id of every row cost more than
-- anything else that its indexes take. The rows of the manager's own ids aren't touched. Without the old index, which would lead to the others in the order of their ids, all over the file.
DROP INDEX requests_client_id;
ALTER TABLE requests ADD COLUMN client_named INTEGER NOT NULL DEFAULT 0;
UPDATE requests SET client_named = 1 WHERE length(request_id) <> 20 OR request_id GLOB '*[^0-9a-f]*';
CREATE INDEX requests_client_id ON requests (request_id) WHERE client_named;
