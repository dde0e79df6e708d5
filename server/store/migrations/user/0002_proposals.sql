-- What a model proposed to change, with the text that was there before: what was accepted can be taken back later.

CREATE TABLE proposals (
    id TEXT PRIMARY KEY NOT NULL,
    created_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Where its changes lie; one row for each file.
CREATE TABLE proposal_places (
    proposal_id TEXT NOT NULL REFERENCES proposals (id) ON DELETE CASCADE,
    place TEXT NOT NULL,
    PRIMARY KEY (place, proposal_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX proposal_places_of_proposal ON proposal_places (proposal_id);
