-- A photo has one or more captions; the vector of all of them together has the view `captions`.

-- One caption was a JSON string; now it is a list. Nothing is computed again: with one caption, text and vector are the same.
UPDATE stage_result SET payload = iif(payload = '""', '[]', '[' || payload || ']') WHERE stage = 'caption';

-- The result of `embed` names its views.
UPDATE stage_result SET payload = replace(payload, '"caption"', '"captions"') WHERE stage = 'embed';
UPDATE vector SET view = 'captions'
 WHERE view = 'caption' AND space IN (SELECT id FROM space WHERE stage = 'embed');
