-- A table of 300,000 rows in memory, two indexes on it, and a join that uses them.
PRAGMA cache_size = -200000;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, weight REAL, parent INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
INSERT INTO item SELECT i, printf('item-%08x', (i * 2654435761) % 4294967296), i * 0.25, i / 7 FROM n;
CREATE INDEX item_name ON item (name);
CREATE INDEX item_parent ON item (parent, weight);
SELECT count(*), sum(length(a.name || b.name)) FROM item a JOIN item b ON b.parent = a.id WHERE a.name > 'item-8';
SELECT count(*) FROM (SELECT group_concat(name) FROM item GROUP BY parent);
