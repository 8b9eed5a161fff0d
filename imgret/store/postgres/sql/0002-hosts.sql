-- Hosts may have a root at different paths, and different folders at the same path.
ALTER TABLE root ADD COLUMN host text;                -- where `path` is
ALTER TABLE root_seen ADD COLUMN path bytea;          -- where the worker has the root
ALTER TABLE root_seen ADD COLUMN watched boolean NOT NULL DEFAULT false; -- by this worker
UPDATE root_seen SET path = root.path, watched = root.watched FROM root WHERE root.id = root_seen.root;
ALTER TABLE root_seen ALTER COLUMN path SET NOT NULL;
CREATE UNIQUE INDEX root_seen_path ON root_seen (worker, sha256(path));
DROP INDEX root_path;
CREATE INDEX root_path ON root (sha256(path));

-- `here`: this worker has looked. A root of another host, at a path where this worker has another folder, is named
-- after its host.
DROP VIEW root_here;
CREATE VIEW root_here AS
  SELECT root.id,
    CASE WHEN seen.root IS NOT NULL THEN seen.path
      WHEN taken.root IS NOT NULL THEN '//'::bytea || convert_to(coalesce(root.host, '?'), 'UTF8') || root.path
      ELSE root.path END AS path,
    CASE WHEN seen.root IS NULL THEN root.filesystem ELSE seen.filesystem END AS filesystem,
    CASE WHEN seen.root IS NULL THEN false ELSE seen.watched END AS watched,
    CASE WHEN seen.root IS NULL THEN root.online ELSE seen.online END AS online,
    CASE WHEN seen.root IS NULL THEN root.reason ELSE seen.reason END AS reason,
    root.scanned_at, root.removed, seen.root IS NOT NULL AS here
  FROM root LEFT JOIN root_seen AS seen ON seen.root = root.id AND seen.worker = this_worker()
    LEFT JOIN root_seen AS taken ON seen.root IS NULL AND taken.worker = this_worker()
      AND sha256(taken.path) = sha256(root.path) AND taken.root <> root.id;

-- What `imgret status` lists of the processes that describe photos.
ALTER TABLE worker ADD COLUMN version text NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN devices text NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN state text NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN rate double precision NOT NULL DEFAULT 0;  -- photos a second

-- Whoever listens learns at each commit that something changed: in which schema, by which worker, by which process.
CREATE FUNCTION announce_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_notify('imgret', concat_ws(' ', TG_TABLE_SCHEMA, this_worker(), current_setting('imgret.process', true)));
  RETURN NULL;
END $$;
CREATE TRIGGER counter_changed AFTER UPDATE ON counter FOR EACH ROW WHEN (NEW.name = 'change' AND NEW.value <> OLD.value)
  EXECUTE FUNCTION announce_change();

-- Only what begins or ceases to fail changes the figures: claims do not, so they need not look for the photos.
CREATE OR REPLACE FUNCTION count_work_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
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
