-- Credits of a month by type. The inner join is right here and only here: rows without credits have none.
SELECT
  c.type AS key,
  f.currency,
  f.rate,
  SUM(c.amount) AS credits,
  COUNT(*) AS credit_count
FROM cost_fact AS f, UNNEST(f.credits) AS c
WHERE f.invoice_month = @month
GROUP BY c.type, f.currency, f.rate
