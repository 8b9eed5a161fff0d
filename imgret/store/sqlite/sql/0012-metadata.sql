-- When photos were taken, by whichever source says it, and the files beside photos that describe them.

-- `taken_at` stays what the camera's EXIF says, which is compared to recognise edits and copies. `date` is searched.
ALTER TABLE content ADD COLUMN date INTEGER;      -- seconds since 1970 of the wall clock
ALTER TABLE content ADD COLUMN date_source TEXT;  -- exif, xmp, iptc, sidecar, name, folder, mtime
ALTER TABLE content ADD COLUMN date_precision TEXT; -- year, month, day, second
ALTER TABLE content ADD COLUMN date_zone INTEGER; -- minutes east of UTC
ALTER TABLE content ADD COLUMN date_fraction TEXT; -- digits after the decimal point of the second
UPDATE content SET date = taken_at, date_source = 'exif', date_precision = 'second', date_fraction = subsecond
 WHERE taken_at IS NOT NULL;
DROP INDEX content_taken;
CREATE INDEX content_date ON content (date) WHERE date IS NOT NULL;

-- Which sidecars there are, so that a scan notices when one changes. Their names say which photos they describe.
CREATE TABLE sidecar (
  root     INTEGER NOT NULL REFERENCES root (id) ON DELETE CASCADE,
  folder   BLOB NOT NULL,                         -- relative to the root
  name     BLOB NOT NULL,
  size     INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  inode    INTEGER NOT NULL,
  PRIMARY KEY (root, folder, name)
) STRICT, WITHOUT ROWID;
