-- Claims take no common lock, and look up their own rows.
CREATE INDEX work_of_worker ON work (worker) WHERE claim > 0;
CREATE INDEX work_suspect ON work (content) WHERE claim < 0;
-- A claim changes hundreds of rows, and workers are never deleted: the check of each row took a third of its time.
ALTER TABLE work DROP CONSTRAINT work_worker_fkey;

-- Claims do not change errors, so nothing is to be counted: a transaction that only claims sets `imgret.claiming`.
CREATE OR REPLACE FUNCTION count_work_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('imgret.claiming', true) = 'on' THEN RETURN NULL; END IF;
  INSERT INTO progress AS p
    SELECT stage, state, sum(number) FROM (
      SELECT content, stage, unnest(ARRAY['waiting', 'failed']) AS state,
        unnest(CASE WHEN added.error IS NULL THEN ARRAY[1, -1] ELSE ARRAY[-1, 1] END) AS number
      FROM added JOIN gone USING (content, stage) WHERE (added.error IS NULL) <> (gone.error IS NULL)) AS change
    WHERE EXISTS (SELECT 1 FROM photo WHERE photo.content = change.content AND gone_at IS NULL)
    GROUP BY stage, state HAVING sum(number) <> 0
    ON CONFLICT (stage, state) DO UPDATE SET contents = p.contents + excluded.contents;
  RETURN NULL;
END $$;
