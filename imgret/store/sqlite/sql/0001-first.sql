-- Where photos lie, what they are, and what is still to do.
-- Paths are BLOBs: a name on a Linux disk need not be UTF-8. Times are seconds since 1970.

CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A folder that was indexed or is watched.
CREATE TABLE root (
  id         INTEGER PRIMARY KEY,
  path       BLOB NOT NULL UNIQUE,                -- absolute, resolved
  filesystem TEXT,                                -- its identity when last seen
  watched    INTEGER NOT NULL DEFAULT 0,          -- 1: the daemon keeps it true
  online     INTEGER NOT NULL DEFAULT 1,
  reason     TEXT,                                -- why it is offline
  scanned_at INTEGER                              -- last full scan
) STRICT;

-- What photos are: the bytes, named by their BLAKE3. AUTOINCREMENT, because ids live on in derived tables.
CREATE TABLE content (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  hash      BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  pixels    BLOB CHECK (length(pixels) = 32),     -- BLAKE3 of the upright pixels; NULL before decoding
  format    TEXT,
  width     INTEGER,
  height    INTEGER,
  taken_at  INTEGER,
  camera    TEXT,
  latitude  REAL,
  longitude REAL
) STRICT;
CREATE INDEX content_pixels ON content (pixels) WHERE pixels IS NOT NULL;
CREATE INDEX content_taken ON content (taken_at) WHERE taken_at IS NOT NULL;

-- Where they lie.
CREATE TABLE photo (
  id         INTEGER PRIMARY KEY,
  root       INTEGER NOT NULL REFERENCES root (id) ON DELETE CASCADE,
  folder     BLOB NOT NULL,                       -- relative to the root; empty for the root itself
  name       BLOB NOT NULL,
  size       INTEGER NOT NULL,
  mtime_ns   INTEGER NOT NULL,
  ctime_ns   INTEGER NOT NULL,
  inode      INTEGER NOT NULL,
  content    INTEGER REFERENCES content (id),     -- NULL until it could be read
  first_seen INTEGER NOT NULL,
  last_seen  INTEGER NOT NULL,                    -- last found new or changed
  gone_at    INTEGER                              -- a tombstone
) STRICT;
CREATE UNIQUE INDEX photo_place ON photo (root, folder, name);
CREATE INDEX photo_content ON photo (content);
CREATE INDEX photo_gone ON photo (gone_at) WHERE gone_at IS NOT NULL;

-- Files that could not be read at all: the failure hangs on the path, since there is no content yet.
CREATE TABLE unreadable (
  photo      INTEGER PRIMARY KEY REFERENCES photo (id) ON DELETE CASCADE,
  attempts   INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  error      TEXT NOT NULL
) STRICT;

-- Who made a result.
CREATE TABLE model (
  id       INTEGER PRIMARY KEY,
  stage    TEXT NOT NULL,
  name     TEXT NOT NULL,
  revision TEXT NOT NULL,
  settings TEXT NOT NULL,
  UNIQUE (stage, name, revision, settings)
) STRICT;

CREATE TABLE stage_result (
  content INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  stage   TEXT NOT NULL,
  model   INTEGER NOT NULL REFERENCES model (id),
  payload TEXT NOT NULL,                          -- JSON: the caption, the boxes, the topics
  made_at INTEGER NOT NULL,
  PRIMARY KEY (content, stage)
) STRICT, WITHOUT ROWID;
CREATE INDEX stage_result_model ON stage_result (model);

-- For `dog>=2`: label first. The boxes stand in stage_result.
CREATE TABLE detection (
  label   TEXT NOT NULL,
  content INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  count   INTEGER NOT NULL CHECK (count > 0),
  PRIMARY KEY (label, content)
) STRICT, WITHOUT ROWID;
CREATE INDEX detection_content ON detection (content);

-- For `topic:sports`.
CREATE TABLE topic (
  label   TEXT NOT NULL,
  content INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  PRIMARY KEY (label, content)
) STRICT, WITHOUT ROWID;
CREATE INDEX topic_content ON topic (content);

-- The user's own words. No cascade: a note outlives its photo.
CREATE TABLE note (
  content    INTEGER PRIMARY KEY REFERENCES content (id),
  text       TEXT NOT NULL CHECK (text <> ''),
  written_at INTEGER NOT NULL
) STRICT;

-- The truth about vectors: float16, unit norm, one row a view and an embedder. AUTOINCREMENT, so that who holds
-- them in memory finds what is new by its id.
CREATE TABLE vector (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  content INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  view    TEXT NOT NULL,
  model   INTEGER NOT NULL REFERENCES model (id),
  data    BLOB NOT NULL,
  UNIQUE (model, view, content)
) STRICT;
CREATE INDEX vector_content ON vector (content);

-- How the codes in `nearest` are made; no row while it holds float32. `nearest` itself, a vec0 table of the
-- leading view, is made with the first vector, because its dimension is the embedder's.
CREATE TABLE projection (
  model        INTEGER PRIMARY KEY REFERENCES model (id) ON DELETE CASCADE,
  learned_from INTEGER NOT NULL,                  -- photos in the library at that time
  scale        REAL NOT NULL,
  mean         BLOB NOT NULL,                     -- float32
  basis        BLOB NOT NULL                      -- float32, dimension x components
) STRICT;

-- What the words index reads: one row a content. A plain table, so that FTS5's `delete` gets the old values right.
CREATE TABLE document (
  content INTEGER PRIMARY KEY REFERENCES content (id) ON DELETE CASCADE,
  caption TEXT NOT NULL DEFAULT '',
  labels  TEXT NOT NULL DEFAULT '',
  note    TEXT NOT NULL DEFAULT '',
  names   TEXT NOT NULL DEFAULT ''                -- words of the file and folder names, of all its paths
) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (
  caption, labels, note, names,
  content = 'document', content_rowid = 'content',
  tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE term USING fts5vocab (words, row);
CREATE TRIGGER document_added AFTER INSERT ON document BEGIN
  INSERT INTO words (rowid, caption, labels, note, names)
  VALUES (new.content, new.caption, new.labels, new.note, new.names);
END;
CREATE TRIGGER document_removed AFTER DELETE ON document BEGIN
  INSERT INTO words (words, rowid, caption, labels, note, names)
  VALUES ('delete', old.content, old.caption, old.labels, old.note, old.names);
END;
CREATE TRIGGER document_changed AFTER UPDATE ON document BEGIN
  INSERT INTO words (words, rowid, caption, labels, note, names)
  VALUES ('delete', old.content, old.caption, old.labels, old.note, old.names);
  INSERT INTO words (rowid, caption, labels, note, names)
  VALUES (new.content, new.caption, new.labels, new.note, new.names);
END;

-- What is to do. A row goes away in the transaction that saves its result; attempts are counted at the claim,
-- so that a photo that kills the process is set aside as well. `claim` is 0 when free, n while in flight in a
-- batch of n photos, and -1 for one that was in flight, with others, when a process died: it is claimed alone
-- next time, so that the innocent do not pay for the guilty.
CREATE TABLE work (
  content    INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  stage      TEXT NOT NULL,
  attempts   INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  claim      INTEGER NOT NULL DEFAULT 0,
  error      TEXT,                                -- why the last attempt failed
  PRIMARY KEY (content, stage)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_claimed ON work (content) WHERE claim <> 0;
CREATE INDEX work_failed ON work (content) WHERE error IS NOT NULL;
