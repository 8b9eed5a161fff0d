-- Words are stored folded (case, accents, widths: `fold.py`), and emoji and other symbols (So) are words.
DROP TRIGGER document_added;
DROP TRIGGER document_removed;
DROP TRIGGER document_changed;
DROP TABLE term;
DROP TABLE words;
UPDATE document SET caption = cut(caption), labels = cut(labels), note = cut(note), names = cut(names);
CREATE VIRTUAL TABLE words USING fts5 (
  caption, labels, note, names,
  content = 'document', content_rowid = 'content',
  tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co So'"
);
CREATE VIRTUAL TABLE term USING fts5vocab (words, row);
INSERT INTO words (words) VALUES ('rebuild');
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
