\set key random(1, 10000)
SELECT ts, price, size FROM points WHERE key = :key ORDER BY ts DESC LIMIT 1;
