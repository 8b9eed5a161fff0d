-- Tags of every kind in one table, the columns of the words index in a table, and vectors of several encoders.

-- What stages found in a photo, by kind: objects, topics, places, ... `dog>=2` and `topic:sports` ask for these.
CREATE TABLE tag (
  kind    TEXT NOT NULL,
  label   TEXT NOT NULL,
  content INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  stage   TEXT NOT NULL,                          -- that found it
  count   INTEGER NOT NULL DEFAULT 1 CHECK (count > 0),
  PRIMARY KEY (kind, label, content, stage)
) STRICT, WITHOUT ROWID;
INSERT INTO tag SELECT 'object', label, content, 'detect', count FROM detection ORDER BY label, content;
INSERT INTO tag SELECT 'topic', label, content, 'topics', 1 FROM topic ORDER BY label, content;
CREATE INDEX tag_content ON tag (content);
DROP TABLE detection;
DROP TABLE topic;

-- The columns of `document` and `words`, in their order. Those with a stage come and go with it; the others
-- are `labels` (of all tags), `note` and `names`.
CREATE TABLE text_column (
  position INTEGER PRIMARY KEY,
  name     TEXT NOT NULL UNIQUE,
  stage    TEXT,
  weight   REAL NOT NULL DEFAULT 1
) STRICT;
INSERT INTO text_column (position, name, stage) VALUES
  (0, 'caption', 'caption'), (1, 'labels', NULL), (2, 'note', NULL), (3, 'names', NULL);

-- A space is what one encoder's vectors lie in; only vectors of one space are compared. Of each stage, one
-- space is active: the one that is searched. Another becomes active once it covers all that this one covers.
CREATE TABLE space (
  id        INTEGER PRIMARY KEY,
  model     INTEGER NOT NULL UNIQUE REFERENCES model (id),
  stage     TEXT NOT NULL,
  dimension INTEGER NOT NULL CHECK (dimension > 0),
  lead      TEXT NOT NULL,                        -- the view that the nearest-neighbour table holds
  weight    REAL NOT NULL DEFAULT 0,              -- in the ranking, beside the text's
  active    INTEGER NOT NULL DEFAULT 0,
  nearest   TEXT                                  -- the nearest-neighbour table, derived; NULL: none yet
) STRICT;
CREATE UNIQUE INDEX space_active ON space (stage) WHERE active;
INSERT INTO space (id, model, stage, dimension, lead, active, nearest)
 SELECT id, id, stage, dimension, 'passage', answers, iif(answers, coalesce(
   (SELECT value FROM setting WHERE key = 'nearest table'), 'nearest'), NULL)
 FROM (
   SELECT id, stage, (SELECT length(data) / 2 FROM vector WHERE vector.model = model.id LIMIT 1) AS dimension,
     id = (SELECT CAST(value AS INTEGER) FROM setting WHERE key = 'answering') AS answers
   FROM model
 ) WHERE dimension IS NOT NULL;
DELETE FROM setting WHERE key IN ('answering', 'nearest table', 'nearest building');

-- The vectors stay where they are; a column gets another name, and refers to `space`. Copying them would write
-- several GB for a million photos, so the reference is changed in the schema alone, as
-- https://sqlite.org/lang_altertable.html#otheralter describes it.
ALTER TABLE vector RENAME COLUMN model TO space;
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'REFERENCES model (id)', 'REFERENCES space (id)')
 WHERE type = 'table' AND name = 'vector';
PRAGMA writable_schema = RESET;

ALTER TABLE projection RENAME TO old_projection;
CREATE TABLE projection (
  space        INTEGER PRIMARY KEY REFERENCES space (id) ON DELETE CASCADE,
  learned_from INTEGER NOT NULL,                  -- photos in the library at that time
  scale        REAL NOT NULL,
  mean         BLOB NOT NULL,                     -- float32
  basis        BLOB NOT NULL                      -- float32, dimension x components
) STRICT;
INSERT INTO projection SELECT * FROM old_projection WHERE model IN (SELECT id FROM space WHERE active);
DROP TABLE old_projection;
