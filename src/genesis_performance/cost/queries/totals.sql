-- Cost of a month by currency and conversion rate; net is gross plus credits.
SELECT
  f.currency,
  f.rate,
  SUM(f.cost) AS gross,
  SUM(f.credit_total) AS credits,
  COUNT(*) AS row_count,
  MAX(f.usage_date) AS newest_usage
FROM cost_fact AS f
WHERE f.invoice_month = @month
GROUP BY f.currency, f.rate
