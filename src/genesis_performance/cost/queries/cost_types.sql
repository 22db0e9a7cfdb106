-- Cost of a month by type: usage, tax, adjustments, rounding.
SELECT
  f.cost_type AS key,
  f.currency,
  f.rate,
  SUM(f.cost) AS gross,
  SUM(f.credit_total) AS credits,
  COUNT(*) AS row_count
FROM cost_fact AS f
WHERE f.invoice_month = @month
GROUP BY f.cost_type, f.currency, f.rate
