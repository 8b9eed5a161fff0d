-- The finer frequencies of a picture, `perceptual.detail`, and its colour, `perceptual.colour`: what distinguishes
-- different pictures of one composition.
-- NULL until a photo is decoded again: such photos are compared by `look` alone.
ALTER TABLE content ADD COLUMN detail BLOB CHECK (length(detail) = 26);
