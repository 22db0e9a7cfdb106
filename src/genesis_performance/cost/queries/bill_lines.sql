-- What the rules look at: usage cost by service, SKU and project, without tax and adjustments.
SELECT
  f.service,
  f.sku,
  f.project_id,
  f.pricing_unit,
  f.is_unused_reservation,
  f.currency,
  f.rate,
  SUM(f.usage_amount) AS usage_amount,
  SUM(f.cost) AS gross,
  SUM(f.credit_total) AS credits,
  COUNT(*) AS row_count
FROM cost_fact AS f
WHERE f.invoice_month = @month AND (f.cost_type IS NULL OR f.cost_type = 'regular')
GROUP BY
  f.service, f.sku, f.project_id, f.pricing_unit, f.is_unused_reservation, f.currency, f.rate
