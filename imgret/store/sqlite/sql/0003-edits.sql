-- A note follows its content. What follows is needed to hand it on to an edit of the same picture.

ALTER TABLE content ADD COLUMN look BLOB CHECK (length(look) = 64); -- what it looks like: perceptual.signature
ALTER TABLE content ADD COLUMN edit_of INTEGER REFERENCES content (id) ON DELETE SET NULL;
CREATE INDEX content_edit_of ON content (edit_of) WHERE edit_of IS NOT NULL;

ALTER TABLE photo ADD COLUMN born INTEGER;        -- when the file was created, ns; NULL where that is not known
ALTER TABLE note ADD COLUMN path BLOB;            -- absolute; where its content was last seen, when it is gone from there

-- A path whose content changed: what lay there before, until the new content was decoded and compared with it.
CREATE TABLE replaced (
  photo   INTEGER PRIMARY KEY REFERENCES photo (id) ON DELETE CASCADE,
  content INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  born    INTEGER                                 -- of the file, when that content lay there
) STRICT;
CREATE INDEX replaced_content ON replaced (content);

-- A folder that was removed keeps its tombstones for a while, and is no folder of ours any more.
ALTER TABLE root ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
UPDATE root SET removed = 1
 WHERE watched = 0 AND NOT EXISTS (SELECT 1 FROM photo WHERE photo.root = root.id AND gone_at IS NULL);

-- Photos with notes were decoded before there were signatures: once more, so that an edit is recognized.
INSERT OR IGNORE INTO work (content, stage)
 SELECT content, 'decode' FROM note
 WHERE EXISTS (SELECT 1 FROM photo WHERE photo.content = note.content AND gone_at IS NULL);

-- Empty files were one content, which took notes from one photo to another. The next scan looks at them again.
UPDATE photo SET content = NULL, inode = -1
 WHERE content = (SELECT id FROM content WHERE hash = x'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
