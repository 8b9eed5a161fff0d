-- Positions: `near:` reads a range of this index instead of all contents.
CREATE INDEX content_position ON content (latitude, longitude) WHERE latitude IS NOT NULL;
