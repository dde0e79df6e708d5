-- What the program learned and can learn again, each under a name.

CREATE TABLE learned (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
