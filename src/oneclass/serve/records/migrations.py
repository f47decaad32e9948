"""How the tables came to be what they are: each step is run once, in order, and never changed."""

FIRST = """
CREATE TABLE version (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    origin TEXT NOT NULL,
    parent_id INTEGER REFERENCES version(id),
    card TEXT NOT NULL,
    false_alarms REAL NOT NULL,
    n_learnt INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL,
    UNIQUE (name, number)
);
CREATE TABLE taken (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version_id INTEGER NOT NULL REFERENCES version(id),
    at REAL NOT NULL,
    who TEXT NOT NULL
);
CREATE INDEX taken_by_name ON taken (name, id);

CREATE TABLE image (
    sha256 TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,
    at REAL NOT NULL,
    odd INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX image_by_age ON image (odd, at);

CREATE TABLE prediction (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    version_id INTEGER NOT NULL REFERENCES version(id),
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    image TEXT NOT NULL,
    score REAL NOT NULL,
    p_value REAL NOT NULL,
    is_anomaly INTEGER NOT NULL,
    false_alarms REAL NOT NULL,
    seconds REAL NOT NULL,
    review TEXT
);
CREATE INDEX prediction_by_version ON prediction (version_id, id);
CREATE INDEX prediction_by_source ON prediction (source, id);
CREATE INDEX prediction_by_age ON prediction (at);
CREATE INDEX prediction_odd ON prediction (version_id, id) WHERE is_anomaly = 1;
CREATE INDEX prediction_waiting ON prediction (id) WHERE is_anomaly = 1 AND review IS NULL;
CREATE INDEX prediction_reviewed ON prediction (review, id) WHERE review IS NOT NULL;

CREATE TABLE failure (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    version_id INTEGER NOT NULL REFERENCES version(id),
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE hour (
    version_id INTEGER NOT NULL REFERENCES version(id),
    hour INTEGER NOT NULL,
    images INTEGER NOT NULL,
    anomalies INTEGER NOT NULL,
    seconds REAL NOT NULL,
    slowest REAL NOT NULL,
    false_alarms INTEGER NOT NULL DEFAULT 0,
    real INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (version_id, hour)
) WITHOUT ROWID;

CREATE TABLE review (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    prediction_id INTEGER NOT NULL REFERENCES prediction(id) ON DELETE CASCADE,
    verdict TEXT,
    at REAL NOT NULL,
    who TEXT NOT NULL
);
CREATE INDEX review_by_prediction ON review (prediction_id, id);

CREATE TABLE compared (
    version_id INTEGER NOT NULL REFERENCES version(id),
    prediction_id INTEGER NOT NULL REFERENCES prediction(id) ON DELETE CASCADE,
    score REAL NOT NULL,
    p_value REAL NOT NULL,
    learnt INTEGER NOT NULL,
    PRIMARY KEY (version_id, prediction_id)
) WITHOUT ROWID;

CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    at REAL NOT NULL,
    started REAL,
    ended REAL,
    result TEXT,
    error TEXT
);
CREATE INDEX job_by_state ON job (state, id);

CREATE TABLE watch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    webhook TEXT,
    secret TEXT NOT NULL,
    only_odd INTEGER NOT NULL DEFAULT 0,
    at REAL NOT NULL,
    images INTEGER NOT NULL DEFAULT 0,
    anomalies INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    last REAL
);
CREATE TABLE seen (
    watch_id INTEGER NOT NULL REFERENCES watch(id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (watch_id, path)
) WITHOUT ROWID;
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    watch_id INTEGER NOT NULL REFERENCES watch(id) ON DELETE CASCADE,
    body TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next REAL,
    done REAL,
    error TEXT
);
CREATE INDEX delivery_due ON delivery (next) WHERE next IS NOT NULL;

CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    at REAL NOT NULL,
    until REAL,
    used REAL
);
CREATE TABLE session (
    sha256 TEXT PRIMARY KEY,
    token_id INTEGER NOT NULL REFERENCES token(id) ON DELETE CASCADE,
    until REAL NOT NULL
) WITHOUT ROWID;
"""

SECOND = """
ALTER TABLE job ADD COLUMN stage TEXT;
"""

THIRD = """
ALTER TABLE prediction ADD COLUMN is_unclear INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hour ADD COLUMN unclear INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watch ADD COLUMN unclear INTEGER NOT NULL DEFAULT 0;
UPDATE prediction SET is_unclear = 1 WHERE is_anomaly = 0
AND version_id IN (SELECT id FROM version WHERE json_extract(card, '$.unclear') IS NOT NULL)
AND p_value <= (SELECT json_extract(card, '$.unclear') FROM version v WHERE v.id = version_id);
DROP INDEX prediction_waiting;
CREATE INDEX prediction_waiting ON prediction (version_id, id)
WHERE (is_anomaly = 1 OR is_unclear = 1) AND review IS NULL;
CREATE INDEX prediction_counted ON prediction (version_id, review) WHERE review IS NOT NULL;
CREATE INDEX prediction_noticed ON prediction (version_id, id)
WHERE is_anomaly = 1 OR is_unclear = 1;
"""

FOURTH = """
CREATE TABLE deletion (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    until REAL NOT NULL,
    back REAL,
    back_who TEXT,
    gone REAL
);
ALTER TABLE version ADD COLUMN deletion_id INTEGER REFERENCES deletion(id);
CREATE VIEW kept_version AS SELECT * FROM version WHERE deletion_id IS NULL;
"""

# Predictions are gone through once: by hour and version it takes minutes for a million of them.
FIFTH = """
ALTER TABLE hour ADD COLUMN promised REAL NOT NULL DEFAULT 0;
UPDATE hour SET promised = images
* (SELECT v.false_alarms FROM version v WHERE v.id = hour.version_id);
INSERT INTO hour (version_id, hour, images, anomalies, seconds, slowest, promised)
SELECT h.version_id, h.hour, 0, 0, 0, 0, avg(p.false_alarms) FROM prediction p
CROSS JOIN hour h ON h.version_id = p.version_id AND h.hour = CAST(p.at / 3600 AS INTEGER)
WHERE TRUE GROUP BY 1, 2
ON CONFLICT DO UPDATE SET promised = images * excluded.promised;
CREATE INDEX prediction_said ON prediction (image) WHERE review IS NOT NULL;
"""

SIXTH = """
ALTER TABLE taken ADD COLUMN false_alarms REAL;
UPDATE taken SET false_alarms = (
    SELECT v.false_alarms FROM version v WHERE v.id = taken.version_id
    AND v.false_alarms = json_extract(v.card, '$.false_alarms'));
ALTER TABLE version ADD COLUMN kinds TEXT
"""

# What was said of the same picture at different times: the last of it goes for all.
SEVENTH = """
ALTER TABLE review ADD COLUMN said_of INTEGER;
CREATE TEMP TABLE newest AS
SELECT p.id, p.version_id, p.at, p.is_anomaly, p.review AS old, (
    SELECT q.id FROM prediction q JOIN version w ON w.id = q.version_id
    WHERE q.image = p.image AND q.review IS NOT NULL AND w.name = v.name
    ORDER BY (SELECT max(r.id) FROM review r WHERE r.prediction_id = q.id) DESC LIMIT 1
) AS said_of, NULL AS new
FROM prediction p JOIN version v ON v.id = p.version_id WHERE p.review IS NOT NULL;
UPDATE newest SET new = (SELECT p.review FROM prediction p WHERE p.id = said_of);
DELETE FROM newest WHERE old = new;
INSERT INTO review (prediction_id, verdict, at, who, said_of)
SELECT n.id, n.new, r.at, r.who, n.said_of FROM newest n JOIN review r ON r.id = (
    SELECT max(id) FROM review WHERE prediction_id = n.said_of);
UPDATE prediction SET review = (SELECT n.new FROM newest n WHERE n.id = prediction.id)
WHERE id IN (SELECT id FROM newest);
UPDATE hour SET false_alarms = hour.false_alarms + d.false_alarms, real = hour.real + d.real FROM (
    SELECT version_id, CAST(at / 3600 AS INTEGER) AS hour,
    sum((new = 'false_alarm') - (old = 'false_alarm')) AS false_alarms,
    sum((new = 'real') - (old = 'real')) AS real
    FROM newest WHERE is_anomaly GROUP BY 1, 2
) AS d WHERE d.version_id = hour.version_id AND d.hour = hour.hour;
DROP TABLE newest
"""

# What the version that another one grew from says of the same: known where it said so itself.
EIGHTH = """
ALTER TABLE compared ADD COLUMN before REAL;
UPDATE compared SET before = (
    SELECT p.p_value FROM prediction c JOIN prediction p ON p.image = c.image
    JOIN version v ON v.id = compared.version_id AND p.version_id = v.parent_id
    WHERE c.id = compared.prediction_id AND p.review IS NOT NULL LIMIT 1)
"""

# A picture that a version has scored before is kept, and counts no second time. Eight digits of its
# digest find it: an index of all of them would be as large as all else.
NINTH = """
ALTER TABLE prediction ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hour ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
CREATE INDEX prediction_same ON prediction (substr(image, 1, 8), version_id)
"""

# Of a picture that the model learnt from, its verdict proves nothing; NULL where nobody knows.
TENTH = """
ALTER TABLE prediction ADD COLUMN learnt INTEGER;
ALTER TABLE hour ADD COLUMN learnt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE compared ADD COLUMN taught INTEGER
"""

# What was said of a picture goes for all predictions of its model on it, unless it was taken back.
ELEVENTH = """
CREATE TEMP TABLE said AS
SELECT DISTINCT p.image, v.name, 0 AS id FROM prediction p JOIN version v ON v.id = p.version_id
WHERE p.review IS NOT NULL;
UPDATE said SET id = (
    SELECT p.id FROM prediction p JOIN version v ON v.id = p.version_id AND v.name = said.name
    WHERE p.image = said.image AND p.review IS NOT NULL
    ORDER BY (SELECT max(r.id) FROM review r WHERE r.prediction_id = p.id) DESC LIMIT 1);
CREATE TEMP TABLE carried AS
SELECT q.id, q.version_id, q.at, q.is_anomaly AND q.again = 0 AND q.learnt IS NOT 1 AS counts,
s.id AS said_of, (SELECT p.review FROM prediction p WHERE p.id = s.id) AS new
FROM said s CROSS JOIN prediction q INDEXED BY prediction_same
ON substr(q.image, 1, 8) = substr(s.image, 1, 8) AND +q.image = s.image
JOIN version w ON w.id = q.version_id AND w.name = s.name
WHERE q.review IS NULL AND NOT EXISTS (SELECT 1 FROM review r WHERE r.prediction_id = q.id);
INSERT INTO review (prediction_id, verdict, at, who, said_of)
SELECT c.id, c.new, r.at, r.who, c.said_of FROM carried c JOIN review r ON r.id = (
    SELECT max(id) FROM review WHERE prediction_id = c.said_of);
UPDATE prediction SET review = c.new FROM carried c WHERE c.id = prediction.id;
UPDATE hour SET false_alarms = hour.false_alarms + d.false_alarms, real = hour.real + d.real FROM (
    SELECT version_id, CAST(at / 3600 AS INTEGER) AS hour,
    sum(new = 'false_alarm') AS false_alarms, sum(new = 'real') AS real
    FROM carried WHERE counts GROUP BY 1, 2
) AS d WHERE d.version_id = hour.version_id AND d.hour = hour.hour;
DROP TABLE said;
DROP TABLE carried;
CREATE INDEX prediction_copies ON prediction (version_id, id)
WHERE (is_anomaly = 1 OR is_unclear = 1) AND review IS NULL AND again = 1;
DROP INDEX prediction_counted;
CREATE INDEX prediction_counted ON prediction (version_id, review, image) WHERE review IS NOT NULL
"""

# The page Watch asks every two seconds which files of a folder could not be used.
TWELFTH = """
CREATE INDEX failure_by_source ON failure (source, id)
"""

# Whether the version that another one grew from had learnt it; NULL where that was not asked.
# And whether one that was learnt anew has learnt what was judged before.
THIRTEENTH = """
ALTER TABLE compared ADD COLUMN before_taught INTEGER;
CREATE TABLE taught (
    version_id INTEGER NOT NULL REFERENCES version(id),
    image TEXT NOT NULL,
    yes INTEGER NOT NULL,
    PRIMARY KEY (version_id, image)
) WITHOUT ROWID
"""

MIGRATIONS = (
    *(FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH, EIGHTH, NINTH, TENTH),
    *(ELEVENTH, TWELFTH, THIRTEENTH),
)
