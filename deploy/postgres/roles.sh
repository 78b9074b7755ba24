#!/bin/sh
# Runs once, when PostgreSQL makes its cluster: the roles that people and programs log in as, with the passwords of the
# secrets. What they may do, `syncd migrate --roles` says afterwards; syncd_owner is for nobody to log in.
set -eu
: "${SECRETS:=/run/secrets}"
export SECRETS
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
-- psql itself reads the files, so that no password is in a command line.
\set writer `cat "$SECRETS/writer_password"`
\set reader `cat "$SECRETS/reader_password"`
CREATE ROLE syncd_owner NOLOGIN;
CREATE ROLE syncd_writer LOGIN CONNECTION LIMIT 50 PASSWORD :'writer';
CREATE ROLE syncd_reader LOGIN CONNECTION LIMIT 50 PASSWORD :'reader';
REVOKE CONNECT, TEMPORARY ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO syncd_writer;
GRANT CONNECT ON DATABASE :"DBNAME" TO syncd_reader;
SQL
