-- Work is claimed by stage, what was requested first, then the newest photos: an index range of `work_next`.

-- 0: ordinary work; 1: the photo arrived, or its note changed; 2 and more: number of a request of the user;
-- -1: it failed, and comes last.
ALTER TABLE work ADD COLUMN request INTEGER NOT NULL DEFAULT 0;
-- When the photo was taken, as far as is known; else when its file was changed; seconds since 1970.
ALTER TABLE work ADD COLUMN date INTEGER NOT NULL DEFAULT 0;
UPDATE work SET request = -1 WHERE error IS NOT NULL;
UPDATE work SET date = max(0, min(unixepoch(), coalesce(
  (SELECT taken_at FROM content WHERE content.id = work.content),
  (SELECT max(mtime_ns) / 1000000000 FROM photo WHERE photo.content = work.content AND gone_at IS NULL),
  0)));
CREATE INDEX work_next ON work (stage, request, date, content) WHERE claim = 0;

-- How many contents that a photo has now wait for each stage, or have failed in it; stage '' has how many there are
-- (state `living`). Kept by the triggers below, because counting a million rows takes too long for a search.
CREATE TABLE progress (
  stage    TEXT NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('living', 'waiting', 'failed')),
  contents INTEGER NOT NULL,
  PRIMARY KEY (stage, state)
) STRICT, WITHOUT ROWID;
INSERT INTO progress SELECT '', 'living', count(DISTINCT content) FROM photo WHERE gone_at IS NULL;
INSERT INTO progress
 SELECT stage, iif(error IS NULL, 'waiting', 'failed'), sum(EXISTS (
  SELECT 1 FROM photo WHERE photo.content = work.content AND gone_at IS NULL))
 FROM work GROUP BY 1, 2;

CREATE TRIGGER work_added AFTER INSERT ON work BEGIN
  INSERT INTO progress SELECT new.stage, iif(new.error IS NULL, 'waiting', 'failed'), 0
   WHERE NOT EXISTS (SELECT 1 FROM progress WHERE stage = new.stage
    AND state = iif(new.error IS NULL, 'waiting', 'failed'));
  UPDATE progress SET contents = contents + 1
   WHERE stage = new.stage AND state = iif(new.error IS NULL, 'waiting', 'failed')
    AND EXISTS (SELECT 1 FROM photo WHERE photo.content = new.content AND gone_at IS NULL);
END;
CREATE TRIGGER work_removed AFTER DELETE ON work BEGIN
  UPDATE progress SET contents = contents - 1
   WHERE stage = old.stage AND state = iif(old.error IS NULL, 'waiting', 'failed')
    AND EXISTS (SELECT 1 FROM photo WHERE photo.content = old.content AND gone_at IS NULL);
END;
CREATE TRIGGER work_failing AFTER UPDATE OF error ON work
 WHEN (old.error IS NULL) <> (new.error IS NULL) BEGIN
  INSERT INTO progress SELECT new.stage, iif(new.error IS NULL, 'waiting', 'failed'), 0
   WHERE NOT EXISTS (SELECT 1 FROM progress WHERE stage = new.stage
    AND state = iif(new.error IS NULL, 'waiting', 'failed'));
  UPDATE progress SET contents = contents + iif(state = 'waiting', 1, -1) * iif(new.error IS NULL, 1, -1)
   WHERE stage = new.stage AND state IN ('waiting', 'failed')
    AND EXISTS (SELECT 1 FROM photo WHERE photo.content = new.content AND gone_at IS NULL);
END;

-- A content gets its first photo, or loses its last one.
CREATE TRIGGER photo_added AFTER INSERT ON photo
 WHEN new.gone_at IS NULL AND new.content IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM photo WHERE content = new.content AND gone_at IS NULL AND id <> new.id) BEGIN
  UPDATE progress SET contents = contents + iif(state = 'living', 1, (
   SELECT count(*) FROM work WHERE content = new.content AND work.stage = progress.stage
    AND (error IS NULL) = (state = 'waiting')));
END;
CREATE TRIGGER photo_removed AFTER DELETE ON photo
 WHEN old.gone_at IS NULL AND old.content IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM photo WHERE content = old.content AND gone_at IS NULL) BEGIN
  UPDATE progress SET contents = contents - iif(state = 'living', 1, (
   SELECT count(*) FROM work WHERE content = old.content AND work.stage = progress.stage
    AND (error IS NULL) = (state = 'waiting')));
END;
CREATE TRIGGER photo_left AFTER UPDATE OF content, gone_at ON photo
 WHEN old.gone_at IS NULL AND old.content IS NOT NULL
  AND (new.gone_at IS NOT NULL OR new.content IS NOT old.content) AND NOT EXISTS (
  SELECT 1 FROM photo WHERE content = old.content AND gone_at IS NULL AND id <> old.id) BEGIN
  UPDATE progress SET contents = contents - iif(state = 'living', 1, (
   SELECT count(*) FROM work WHERE content = old.content AND work.stage = progress.stage
    AND (error IS NULL) = (state = 'waiting')));
END;
CREATE TRIGGER photo_came AFTER UPDATE OF content, gone_at ON photo
 WHEN new.gone_at IS NULL AND new.content IS NOT NULL
  AND (old.gone_at IS NOT NULL OR old.content IS NOT new.content) AND NOT EXISTS (
  SELECT 1 FROM photo WHERE content = new.content AND gone_at IS NULL AND id <> new.id) BEGIN
  UPDATE progress SET contents = contents + iif(state = 'living', 1, (
   SELECT count(*) FROM work WHERE content = new.content AND work.stage = progress.stage
    AND (error IS NULL) = (state = 'waiting')));
END;
