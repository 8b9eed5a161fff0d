-- Where another disk was mounted below a root: when it is away, its photos are not deleted.
CREATE TABLE mount (
  root       INTEGER NOT NULL REFERENCES root (id) ON DELETE CASCADE,
  folder     BLOB NOT NULL,                       -- the mount point, relative to the root
  filesystem TEXT NOT NULL,                       -- its identity when last seen
  reason     TEXT,                                -- why it is offline; NULL while it is there
  PRIMARY KEY (root, folder)
) STRICT, WITHOUT ROWID;
