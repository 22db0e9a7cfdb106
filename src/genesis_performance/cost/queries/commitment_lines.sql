-- Fees of commitments and the credits that used commitments give back on them, by SKU.
SELECT
  f.service,
  f.sku,
  f.currency,
  f.rate,
  SUM(f.cost) AS gross,
  SUM(f.credit_total) AS credits
FROM cost_fact AS f
WHERE f.invoice_month = @month AND STARTS_WITH(LOWER(f.sku), 'commitment')
GROUP BY f.service, f.sku, f.currency, f.rate
