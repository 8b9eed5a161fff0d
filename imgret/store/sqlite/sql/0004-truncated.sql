-- Pictures whose end is missing are described by what is there, and marked. What could not be decoded
-- before is tried again, for more files can be read now.
ALTER TABLE content ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0;
UPDATE work SET attempts = 0, not_before = 0, error = NULL
 WHERE error IS NOT NULL AND content IN (SELECT content FROM work WHERE stage = 'decode' AND error IS NOT NULL);
