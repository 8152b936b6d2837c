\set key random(1, 10000)
INSERT INTO arrivals (key, ts, day, price, size) VALUES (:key, now(), '2024-01-05', 12.5, 100);
