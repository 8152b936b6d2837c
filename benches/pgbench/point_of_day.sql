\set key random(1, 10000)
SELECT ts, price, size FROM points WHERE key = :key AND day = '2024-01-05' ORDER BY ts;
