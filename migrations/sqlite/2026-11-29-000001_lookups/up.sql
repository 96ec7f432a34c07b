-- An id of a client's own (those of the manager's have 20 hexadecimal digits and tell their time), and refusals:
-- what there is none of must not take a look through all rows.
CREATE INDEX requests_client_id ON requests (request_id) WHERE length(request_id) <> 20 OR request_id GLOB '*[^0-9a-f]*';
CREATE INDEX requests_refused ON requests (ended_us) WHERE substr(outcome, 1, 8) = 'refused:';
