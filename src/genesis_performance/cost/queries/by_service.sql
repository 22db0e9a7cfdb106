-- Cost of each service in a month and the one before, by currency and conversion rate.
SELECT
  f.invoice_month,
  COALESCE(f.service, '(no service)') AS key,
  f.currency,
  f.rate,
  SUM(f.cost) AS gross,
  SUM(f.credit_total) AS credits
FROM cost_fact AS f
WHERE f.invoice_month IN (@month, @previous)
GROUP BY f.invoice_month, key, f.currency, f.rate
