-- Shots of a burst within one second are told apart by the camera's fraction of that second.
ALTER TABLE content ADD COLUMN subsecond TEXT;    -- digits after the decimal point, without zeros at the end

-- Photos with notes were decoded before there was one: once more, so that another shot gets no note of theirs.
INSERT OR IGNORE INTO work (content, stage)
 SELECT note.content, 'decode' FROM note JOIN content ON content.id = note.content
 WHERE taken_at IS NOT NULL AND EXISTS (SELECT 1 FROM photo WHERE photo.content = note.content AND gone_at IS NULL);
