-- Sealed values in the tables that hold them. A value's first five bytes are its header: version and key id.

-- name: sealed_headers_of_credentials
-- How many credentials there are under each header.
SELECT substr(sealed, 1, 5) AS header, count(*) AS count FROM credentials GROUP BY 1;

-- name: sealed_headers_of_second_factors
-- How many second factors there are under each header.
SELECT substr(sealed, 1, 5) AS header, count(*) AS count FROM second_factors GROUP BY 1;

-- name: sealed_headers_of_sign_ins
-- How many sign-ins there are under each header.
SELECT substr(sealed, 1, 5) AS header, count(*) AS count FROM sign_ins GROUP BY 1;

-- name: sealed_headers_of_token_caches
-- How many token caches there are under each header.
SELECT substr(sealed, 1, 5) AS header, count(*) AS count FROM token_caches GROUP BY 1;

-- name: sealed_page_of_credentials
-- Some credentials that are not under this header, in the order of their ids.
SELECT id, sealed FROM credentials WHERE id > :after AND substr(sealed, 1, 5) <> :header ORDER BY id LIMIT :limit;

-- name: sealed_page_of_second_factors
-- Some second factors that are not under this header, in the order of their people.
SELECT person_id AS id, sealed FROM second_factors WHERE person_id > :after AND substr(sealed, 1, 5) <> :header
ORDER BY person_id LIMIT :limit;

-- name: sealed_page_of_sign_ins
-- Some sign-ins that are not under this header, in the order of their ids.
SELECT id, sealed FROM sign_ins WHERE id > :after AND substr(sealed, 1, 5) <> :header ORDER BY id LIMIT :limit;

-- name: sealed_page_of_token_caches
-- Some token caches that are not under this header, in the order of their owners.
SELECT owner AS id, sealed FROM token_caches WHERE owner > :after AND substr(sealed, 1, 5) <> :header
ORDER BY owner LIMIT :limit;

-- name: sealed_replace_in_credentials
-- Seal a credential anew, unless somebody else has written it in the meantime.
UPDATE credentials SET sealed = :new WHERE id = :id AND sealed = :old;

-- name: sealed_replace_in_second_factors
-- Seal a second factor anew, unless somebody else has written it in the meantime.
UPDATE second_factors SET sealed = :new WHERE person_id = :id AND sealed = :old;

-- name: sealed_replace_in_sign_ins
-- Seal a sign-in anew, unless somebody else has written it in the meantime.
UPDATE sign_ins SET sealed = :new WHERE id = :id AND sealed = :old;

-- name: sealed_replace_in_token_caches
-- Seal a token cache anew, unless somebody else has written it in the meantime.
UPDATE token_caches SET sealed = :new WHERE owner = :id AND sealed = :old;

-- name: sealed_holder_of_credential
-- The app registration that a credential is of.
SELECT apps.name AS holder FROM credentials JOIN apps ON apps.id = credentials.app_id WHERE credentials.id = :id;

-- name: sealed_holder_of_second_factor
-- The person that a second factor is of.
SELECT name AS holder FROM people WHERE id = :id;

-- name: sealed_holder_of_sign_in
-- The mailbox that somebody is signing in for.
SELECT mailboxes.address AS holder FROM sign_ins JOIN mailboxes ON mailboxes.id = sign_ins.mailbox_id
WHERE sign_ins.id = :id;

-- name: sealed_holder_of_token_cache
-- The app registration or mailbox whose tokens are kept under this owner.
SELECT name AS holder FROM apps WHERE 'app/' || id = :owner
UNION ALL SELECT address FROM mailboxes WHERE 'mailbox/' || id = :owner;
