SELECT symbol, max(price) FILTER (WHERE size > 0) FROM t WHERE ts >= '2024-01-02 09:30' GROUP BY 1; -- end
SHOW ALL