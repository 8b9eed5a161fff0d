-- The finer frequencies of a picture, `perceptual.detail`, by which different pictures of one composition differ.
-- NULL until a photo is decoded again: such photos are compared by `look` alone.
ALTER TABLE content ADD COLUMN detail BLOB CHECK (length(detail) = 24);
