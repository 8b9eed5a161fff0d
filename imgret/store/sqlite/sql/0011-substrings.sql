-- Substrings of some text columns are found, and spaces in them do not matter: the text in photos is such a column.
ALTER TABLE text_column ADD COLUMN substrings INTEGER NOT NULL DEFAULT 0;

-- Derived from `document`: the folded letters and digits of those columns, one line a column. No row: there are none.
CREATE TABLE letters (
  content INTEGER PRIMARY KEY REFERENCES content (id) ON DELETE CASCADE,
  text    TEXT NOT NULL CHECK (text <> '')
) STRICT;
CREATE VIRTUAL TABLE letters_index USING fts5 (
  text, content = 'letters', content_rowid = 'content', tokenize = 'trigram case_sensitive 1', detail = 'none'
);
CREATE TRIGGER letters_added AFTER INSERT ON letters BEGIN
  INSERT INTO letters_index (rowid, text) VALUES (new.content, new.text);
END;
CREATE TRIGGER letters_removed AFTER DELETE ON letters BEGIN
  INSERT INTO letters_index (letters_index, rowid, text) VALUES ('delete', old.content, old.text);
END;
